"""Which request is due when: pure, and the same on every machine for the same seed.

Arrivals follow a rate that is given piece by piece: the k-th is due when so much of it has passed. For constant
arrivals that is a whole number each time, for Poisson arrivals the sum of unit-exponential draws.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from lab.driver.values import Draw, Headers, Target, child, pick
from lab.model.load import Hot
from lab.model.scenario import Request, Stage

__all__ = ["MOST_ARRIVALS", "Law", "Schedule", "Target", "arrivals", "pick", "schedule"]

Law = Literal["poisson", "constant"]

MOST_ARRIVALS = 10_000_000
_NS = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The request list of a block: nanoseconds after the block's start, and what to send then.

    ``targets`` is empty where a locustfile decides what is sent. Equal lists have equal ``sha256``.
    """

    offsets_ns: tuple[int, ...]
    targets: tuple[Target, ...]
    sha256: str


def schedule(
    *, seed: int, stages: Sequence[Stage], law: Law, requests: Sequence[Request], hot: Sequence[Hot] = ()
) -> Schedule:
    """The list for one block. Moments and contents have child seeds of their own; without ``requests`` there
    are moments alone.

    Raises ValueError for stages that cannot be planned (see ``arrivals``), for requests without any positive
    weight, and for placeholders without values.
    """
    offsets = arrivals(seed, stages, law)
    targets = pick(seed, requests, len(offsets), hot) if requests else ()
    return Schedule(offsets_ns=offsets, targets=targets, sha256=_digest(offsets, targets))


def arrivals(seed: int, stages: Sequence[Stage], law: Law) -> tuple[int, ...]:
    """Sorted offsets in nanoseconds in [0, length of all stages). Constant arrivals start with the first moment
    of a rate above 0, and keep their distance across the borders of stages.

    A stage may have the rate 0, and chance may leave a block empty. ValueError where nothing could ever be due,
    for rates and lengths that are none, and for more than ``MOST_ARRIVALS``.
    """
    _check(stages)
    stretches = _stretches(stages)
    if law == "constant":
        return tuple(_constant(stretches))
    return tuple(_poisson(stretches, child(seed, "arrivals").random))


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A stage in the block's nanoseconds: ``rate`` at its start, and how much it gains each second."""

    start: int
    end: int
    rate: float
    slope: float

    def rate_at(self, at: int) -> float:
        return max(0.0, self.rate + self.slope * ((at - self.start) / _NS))

    def arrivals_from(self, at: int) -> float:
        """How many are due from a moment to the end, on average."""
        return (self.rate_at(at) + self.rate_at(self.end)) / 2 * ((self.end - at) / _NS)


def _wait_ns(rate: float, slope: float, due: float) -> float:
    """Nanoseconds until ``due`` arrivals have passed from a moment of this rate; infinite where that is never."""
    if not slope:
        return due * _NS / rate if rate else math.inf
    square = rate * rate + 2 * slope * due
    if square < 0 or (slope < 0 and not rate):
        return math.inf  # the rate has fallen to zero by then
    if not due:
        return 0.0
    root = rate + math.sqrt(square)
    return 2 * due * _NS / root if root else math.inf  # a slope may be too small for a square


def _constant(stretches: Sequence[_Stretch]) -> Iterator[int]:
    k, passed = 0, 0.0
    for one in stretches:
        while True:
            wait_ns = _wait_ns(one.rate, one.slope, max(0.0, k - passed))
            if not wait_ns < one.end - one.start:
                break
            yield one.start + int(wait_ns)
            k += 1
        passed += one.arrivals_from(one.start)


def _poisson(stretches: Sequence[_Stretch], draw: Draw) -> Iterator[int]:
    log = math.log
    due = -log(1.0 - draw())
    for one in stretches:
        at, end, slope = one.start, one.end, one.slope
        while True:
            rate = one.rate_at(at) if slope else one.rate
            wait_ns = _wait_ns(rate, slope, due)
            if not wait_ns < end - at or (following := at + round(wait_ns)) >= end:
                break
            at = following
            yield at
            due = -log(1.0 - draw())
        due = max(0.0, due - one.arrivals_from(at))


def _stretches(stages: Sequence[Stage]) -> list[_Stretch]:
    found, start, passed_s = [], 0, 0.0
    for stage in stages:
        passed_s += stage.length
        end = round(passed_s * _NS)
        slope = 0.0 if stage.to is None else (stage.to - stage.rate) / stage.length
        found.append(_Stretch(start, end, stage.rate, slope))
        start = end
    return found


def _check(stages: Sequence[Stage]) -> None:
    for stage in stages:
        rates = [stage.rate] if stage.to is None else [stage.rate, stage.to]
        if not all(rate >= 0 and math.isfinite(rate) for rate in rates):
            ramp = " to ".join(f"{rate:g}/s" for rate in rates)
            raise ValueError(f"cannot plan arrivals at {ramp}: a rate is a number, 0 or more")
        if not (stage.length > 0 and math.isfinite(stage.length)):
            raise ValueError(f"cannot plan a stage of {stage.length:g} s: it lasts longer than 0")
    expected = sum(stage.arrivals for stage in stages)
    if not expected > 0:
        raise ValueError("cannot plan a load in which nothing is ever due: one stage needs a rate above 0")
    if expected > MOST_ARRIVALS:
        raise ValueError(f"cannot plan {expected:,.0f} arrivals in one block: {MOST_ARRIVALS:,} are the most")


def _digest(offsets: Sequence[int], targets: Sequence[Target]) -> str:
    """Over the moments, over each distinct target in the order of first use, and over which was used when."""
    numbers: dict[Target, int] = {}
    uses = array("q", [numbers.setdefault(target, len(numbers)) for target in targets])
    moments = array("q", offsets)
    if sys.byteorder == "big":
        uses.byteswap()
        moments.byteswap()
    digest = hashlib.sha256(moments)
    heads: dict[Headers, str] = {}
    for name, method, path, headers, body, _ in numbers:
        head = heads.get(headers) or heads.setdefault(headers, json.dumps(headers))
        digest.update(f"{name} {method} {path} {head} {len(body)}\n".encode() + body)
    digest.update(uses)
    return digest.hexdigest()
