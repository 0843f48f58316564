"""Many simulated runs of one truth on one machine, counted; and when a count refutes a rate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import exp, lgamma, log, log1p
from statistics import median

from lab.model.run import Design
from parts.noise import Profile
from parts.one_pass import one_pass
from parts.trial import Trial, Truth, trial

STATES = ("resolved", "improved", "not-resolved", "regressed", "inconclusive", "not-reproduced", "void")
LUCK = 0.001  # a count that a rate explains less often than this refutes the rate

NO_FAULT = Truth(name="no fault", problem=1, fixed=1)
PLACEBOS = tuple(Truth(name=f"placebo, F = {f:g} H", problem=f, fixed=f) for f in (1.5, 2, 10))
FULL = Truth(name="full fix, F = 2 H", problem=2, fixed=1)
FULL_LARGE = Truth(name="full fix, F = 10 H", problem=10, fixed=1)
EDGE = Truth(name="edge of tolerance, X = 1.25 H", problem=10, fixed=1.25)
PARTIAL = Truth(name="partial, X = 1.6 H", problem=10, fixed=1.6)
WORSE = Truth(name="worse, F = 3 H, X = 6 H", problem=3, fixed=6)
FAILS_10 = Truth(name="fails in 10 % of blocks", problem=3, fixed=1, fails=0.1)
FAILS_30 = Truth(name="fails in 30 % of blocks", problem=3, fixed=1, fails=0.3)
TRUTHS = (NO_FAULT, *PLACEBOS, FULL, FULL_LARGE, EDGE, PARTIAL, WORSE, FAILS_10, FAILS_30)


@dataclass(kw_only=True)
class Rates:
    """Counts over the runs of one truth on one machine."""

    truth: Truth
    profile: Profile
    states: Counter[str] = field(default_factory=Counter)
    placebos: Counter[str] = field(default_factory=Counter)  # of the arm that every run has beside its fix
    better: int = 0
    load_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)
    threshold: int = 0  # one pass of each arm, by thresholds on p95
    rank_test: int = 0  # one pass of each arm, by Mann and Whitney's test on requests

    @property
    def runs(self) -> int:
        return len(self.wall_s)

    def share(self, state: str) -> float:
        return self.states[state] / self.runs

    def add(self, one: Trial) -> None:
        self.states[one.fix.state] += 1
        self.placebos[one.placebo.state] += 1
        self.better += "BETTER" in one.fix.measures[0].facts
        self.load_s.append(one.load_s)
        self.wall_s.append(one.wall_s)


def rates(
    truth: Truth, profile: Profile, seeds: Iterable[int], *, others: bool = True, design: Design | None = None
) -> Rates:
    """Run every seed; with ``others``, what one pass of each arm says of the same truth as well."""
    found = Rates(truth=truth, profile=profile)
    for seed in seeds:
        found.add(trial(truth, profile, seed, design))
        if others:
            said = one_pass(truth, profile, seed)
            found.threshold += said.resolved
            found.rank_test += said.better
    return found


def middle(found: Iterable[Rates], field_name: str) -> float:
    return median(value for one in found for value in getattr(one, field_name))


def refuted(hits: int, runs: int, rate: float) -> bool:
    """So many hits or more happen once in 1,000 times at most where the true rate is no higher than this."""
    fewer = sum(
        exp(
            lgamma(runs + 1)
            - lgamma(n + 1)
            - lgamma(runs - n + 1)
            + n * log(rate)
            + (runs - n) * log1p(-rate)
        )
        for n in range(hits)
    )
    return 1 - fewer < LUCK


def rate_below(hits: int, runs: int) -> float:
    """The upper 95 % bound of Clopper and Pearson for a rate, by bisection."""
    low, high = hits / runs, 1.0
    for _ in range(60):
        mid = (low + high) / 2
        at_most = sum(
            exp(
                lgamma(runs + 1)
                - lgamma(n + 1)
                - lgamma(runs - n + 1)
                + n * log(mid)
                + (runs - n) * log1p(-mid)
            )
            for n in range(hits + 1)
        )
        low, high = (mid, high) if at_most > 0.05 else (low, mid)
    return high
