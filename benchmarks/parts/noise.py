"""Machines that are not quiet: how slow one is at any moment, when it stands still, and what requests see of it.

Sources of noise, each on its own clock: slow drift and fast noise that remember (AR(1) on the log scale), a
neighbour that comes and goes, bursts in which six times as many requests arrive, and stalls in which
nothing moves and requests queue. An effect multiplies a request's own time, never a stall.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import exp, log, sqrt
from typing import Any

import numpy as np

Times = Any  # a numpy array of seconds

STEP_S = 0.25
SLOW_S, FAST_S, NEIGHBOUR_S = 20.0, 1.0, 10.0  # how long each noise remembers
BURST_S, BURST_FACTOR = 0.3, 6.0
STALL_S = (0.5, 2.0)
GATE_S = 0.2  # a heartbeat sees a stall of so much of a block
SERVICE_S, SIGMA, WORKERS = 0.002, 0.5, 8  # a request on a machine that does nothing else


@dataclass(frozen=True, kw_only=True)
class Profile:
    """``slow`` and ``fast`` are standard deviations of log speed; ``*_every_s`` 0 is never.

    ``process`` is the standard deviation of what each process keeps for as long as it lives.
    """

    name: str
    slow: float
    fast: float = 0.0
    neighbour: float = 1.0
    stall_every_s: float = 0.0
    burst_every_s: float = 0.0
    process: float = 0.0


QUIET = Profile(name="quiet", slow=0.05)
NOISY = Profile(name="noisy", slow=0.12, fast=0.08, neighbour=1.25, stall_every_s=30, burst_every_s=10)
HOSTILE = Profile(name="hostile", slow=0.20, fast=0.15, neighbour=1.6, stall_every_s=12, burst_every_s=5)
PROFILES = (QUIET, NOISY, HOSTILE)


class Machine:
    """One machine for ``horizon_s`` seconds. The same seed gives the same machine."""

    def __init__(self, profile: Profile, seed: int, horizon_s: float = 400.0) -> None:
        self._draw = np.random.default_rng(seed)
        steps = int(horizon_s / STEP_S) + 1
        drift = self._remembering(profile.slow, SLOW_S, steps)
        if profile.fast:
            drift = drift + self._remembering(profile.fast, FAST_S, steps)
        if profile.neighbour > 1:
            drift = drift + log(profile.neighbour) * self._present(steps)
        self._slowness = np.exp(drift)
        self.stalls = self._intervals(profile.stall_every_s, STALL_S, horizon_s)
        self._bursts = self._intervals(profile.burst_every_s, (BURST_S, BURST_S), horizon_s)

    def _remembering(self, sd: float, memory_s: float, steps: int) -> Any:
        keep = exp(-STEP_S / memory_s)
        shocks = self._draw.normal(0, sd * sqrt(1 - keep * keep), steps)
        shocks[0] = self._draw.normal(0, sd)
        return np.array(list(accumulate(shocks.tolist(), lambda so_far, shock: keep * so_far + shock)))

    def _present(self, steps: int) -> Any:
        """1 while the neighbour is there, else 0: it comes or goes every ``NEIGHBOUR_S`` on average."""
        changes = self._draw.random(steps) < STEP_S / NEIGHBOUR_S
        changes[0] = self._draw.random() < 0.5
        return np.cumsum(changes) % 2

    def _intervals(
        self, every_s: float, length: tuple[float, float], horizon_s: float
    ) -> list[tuple[float, float]]:
        """(begin, end) of events that do not overlap, on average one in ``every_s``."""
        found: list[tuple[float, float]] = []
        at = 0.0
        while every_s:
            at += self._draw.exponential(every_s)
            if at >= horizon_s:
                break
            end = at + self._draw.uniform(*length)
            found.append((at, end))
            at = end
        return found

    def slowness(self, moments: Times) -> Times:
        """How many times as long as on an idle machine a request takes that starts then."""
        steps = np.minimum((moments / STEP_S).astype(int), len(self._slowness) - 1)
        return self._slowness[steps]

    def _due(self, begin: float, length_s: float, rate: float) -> Times:
        """When Poisson requests are due, those of a burst included; at least one."""
        windows = [(begin, begin + length_s, rate)]
        for a, b in _overlapping(self._bursts, begin, begin + length_s):
            windows.append((max(a, begin), min(b, begin + length_s), (BURST_FACTOR - 1) * rate))
        due = [a + self._draw.random(self._draw.poisson(more * (b - a))) * (b - a) for a, b, more in windows]
        return np.sort(np.concatenate([*due, [begin]]))

    def stalled(self, begin: float, end: float) -> bool:
        """What the gate sees of this window: the machine, and never a latency."""
        return any(min(end, b) - max(begin, a) >= GATE_S for a, b in _overlapping(self.stalls, begin, end))

    def latencies(self, begin: float, length_s: float, rate: float, effect: float = 1.0) -> Times:
        """Seconds from due moment to answer of the requests due in a window, first come, first served."""
        due = self._due(begin, length_s, rate)
        own = SERVICE_S * effect * self.slowness(due) * self._draw.lognormal(0, SIGMA, len(due))
        moving, stalls = due, _overlapping(self.stalls, begin, due[-1] + 1)
        for a, b in reversed(stalls):  # time without the stalls: what is due in one queues at its begin
            moving = np.where(moving < a, moving, np.maximum(moving - (b - a), a))
        work = np.cumsum(own / WORKERS)
        start = np.maximum.accumulate(moving - (work - own / WORKERS)) + work - own / WORKERS
        done = start + own
        for a, b in stalls:
            done = np.where(done > a, done + (b - a), done)
        return done - due


def _overlapping(
    intervals: Sequence[tuple[float, float]], begin: float, end: float
) -> list[tuple[float, float]]:
    return [(a, b) for a, b in intervals if b > begin and a < end]
