"""From values to places on an axis, with ticks where people expect them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Protocol

_DECADES = 1e6  # what is smaller is held at the start of a log axis


class Scale(Protocol):
    @property
    def start(self) -> float: ...

    @property
    def end(self) -> float: ...

    def __call__(self, value: float) -> float: ...

    def ticks(self) -> list[float]: ...


@dataclass(frozen=True)
class Linear:
    """``low`` lies at ``start``, ``high`` at ``end``; values outside are held at the ends."""

    low: float
    high: float
    start: float
    end: float
    at_most: int = 6

    def __call__(self, value: float) -> float:
        span = (self.high - self.low) or 1.0
        return self.start + (min(max(value, self.low), self.high) - self.low) / span * (self.end - self.start)

    def ticks(self) -> list[float]:
        span = self.high - self.low
        if span <= 0:
            return [self.low]
        step = _nice(span / self.at_most)
        first = ceil(self.low / step - 1e-9)
        return [round(n * step, 12) for n in range(first, floor(self.high / step + 1e-9) + 1)]


def _nice(step: float) -> float:
    power = 10.0 ** floor(log10(step))
    return next(n * power for n in (1, 2, 2.5, 5, 10) if n * power >= step - 1e-12)


@dataclass(frozen=True)
class Log:
    """Powers of ten at equal distance. ``low`` must be above 0; lower values are held at the start."""

    low: float
    high: float
    start: float
    end: float
    at_most: int = 8

    def __call__(self, value: float) -> float:
        held = min(max(value, self.low), self.high)
        span = log10(self.high / self.low) or 1.0
        return self.start + log10(held / self.low) / span * (self.end - self.start)

    def ticks(self) -> list[float]:
        powers = range(floor(log10(self.low)), ceil(log10(self.high)) + 1)
        for steps in ((1, 2, 5), (1, 3), (1,)):
            found = [n * 10.0**power for power in powers for n in steps]
            found = [tick for tick in found if self.low * 0.999 <= tick <= self.high * 1.001]
            if len(found) <= self.at_most:
                break
        return found


def around(values: Iterable[float], *, log: bool = False, margin: float = 0.06) -> tuple[float, float]:
    """The range of some values with a little room at both ends; never empty."""
    known = [value for value in values if not log or value > 0]
    if not known:
        return (0.1, 1.0) if log else (0.0, 1.0)
    low, high = min(known), max(known)
    if log:
        low = max(low, high / _DECADES)
        room = (high / low) ** margin if high > low else 1.5
        return low / room, high * room
    room = (high - low) * margin or abs(high) * 0.1 or 1.0
    return low - room, high + room
