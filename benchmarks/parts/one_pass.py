"""What others do with the same machine: one long pass of each arm, a threshold or a rank test on requests."""

from __future__ import annotations

from dataclasses import dataclass
from math import erf, sqrt
from typing import Any

import numpy as np

from parts.noise import Machine, Profile
from parts.trial import GAP_S, RATE, Truth

PASS_S, P = 10.0, 0.01


@dataclass(frozen=True, kw_only=True)
class OnePass:
    """``resolved`` by thresholds on p95, ``better`` by Mann and Whitney's test on requests."""

    resolved: bool
    better: bool


def one_pass(truth: Truth, profile: Profile, seed: int) -> OnePass:
    """Healthy, then problem, then fix, ``PASS_S`` each, as a person with a load generator would."""
    machine, draw = Machine(profile, seed, horizon_s=4 * PASS_S), np.random.default_rng((seed, 2))
    found = {}
    for n, arm in enumerate(("healthy", "problem", "fix")):
        # A fix that fails now and then does so in stretches of half a second here as well.
        begin = n * (PASS_S + GAP_S)
        parts = [
            machine.latencies(begin + 0.5 * k, 0.5, RATE, truth.effect(arm, draw))
            for k in range(int(PASS_S / 0.5))
        ]
        found[arm] = np.concatenate(parts)
    h, f, x = (float(np.quantile(found[arm], 0.95)) for arm in ("healthy", "problem", "fix"))
    return OnePass(
        resolved=f >= 1.5 * h and x <= 1.25 * h and x <= 0.8 * f,
        better=below_chance(found["fix"], found["problem"]) < P,
    )


def below_chance(a: Any, b: Any) -> float:
    """One-sided p that ``a`` is below ``b``: Mann and Whitney with the normal approximation, no ties."""
    ranks = np.argsort(np.argsort(np.concatenate([a, b])))[: len(a)] + 1
    u = float(ranks.sum()) - len(a) * (len(a) + 1) / 2
    spread = sqrt(len(a) * len(b) * (len(a) + len(b) + 1) / 12)
    z = (u - len(a) * len(b) / 2) / spread
    return (1 + erf(z / sqrt(2))) / 2
