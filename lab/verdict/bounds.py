"""Side-by-side comparisons of two arms, and what their order proves.

Pairs are formed inside a stratum only. A claim holds at a look when at most ``allowed`` pairs are
against it, which is the same as saying that the (allowed+1)-th ordered difference is on its side. Ties
are against the claim, and so is a pair in which one value is absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Literal

from lab.model.run import Block, MeasureSpec
from lab.verdict.counting import Rows

Scale = Literal["ratio", "difference"]
Values = tuple[tuple[float | None, ...], ...]  # one arm and measure, by stratum; None is absent
Pair = tuple[float, float] | None


def value_in(block: Block, spec: MeasureSpec) -> float | None:
    """A block's value, or None where it is absent: not measured, not finite, not positive as a ratio."""
    value = block.values.get(spec.name)
    if value is None or not isfinite(value) or (spec.scale == "ratio" and value <= 0):
        return None
    return value


def values_of(rows: Rows, spec: MeasureSpec) -> Values:
    return tuple(tuple(value_in(block, spec) for block in row) for row in rows)


def pairs_of(a: Values, b: Values) -> tuple[Pair, ...]:
    """Every pair of a block of ``a`` with a block of ``b`` in the same stratum; None where one is absent."""
    return tuple(
        None if x is None or y is None else (x, y)
        for row_a, row_b in zip(a, b, strict=True)
        for x in row_a
        for y in row_b
    )


def bar(b: float, factor: float, offset: float = 0.0) -> float:
    """factor * b + offset, the value that ``a`` is compared with; a factor above 1 never puts it below b.

    A number below zero (memory that is given back) times 1.2 lies lower, and then more would be "above" it.
    """
    return (max(b, factor * b) if factor > 1 else factor * b) + offset


def is_above(pairs: Sequence[Pair], allowed: int, factor: float, offset: float = 0.0) -> bool:
    """Proven: a > bar(b)."""
    against = sum(1 for pair in pairs if pair is None or not pair[0] > bar(pair[1], factor, offset))
    return against <= allowed


def is_below(pairs: Sequence[Pair], allowed: int, factor: float, offset: float = 0.0) -> bool:
    """Proven: a < bar(b). The bar is that of ``is_above``, so that no pair is for both."""
    against = sum(1 for pair in pairs if pair is None or not pair[0] < bar(pair[1], factor, offset))
    return against <= allowed


def is_within(pairs: Sequence[Pair], allowed: int, factor: float, offset: float = 0.0) -> bool:
    """Proven: a <= bar(b). Equality is within, because the tolerance itself is tolerated."""
    against = sum(1 for pair in pairs if pair is None or not pair[0] <= bar(pair[1], factor, offset))
    return against <= allowed


@dataclass(frozen=True, kw_only=True)
class Effect:
    """How ``a`` compares with ``b``: quotients on the ratio scale, else differences. None is unknown."""

    estimate: float | None = None
    lower: float | None = None
    upper: float | None = None


def effect(pairs: Sequence[Pair], scale: Scale, allowed: int) -> Effect:
    """Hodges-Lehmann estimate with bounds from ordered pairs, each at the error rate of the look.

    The median of log differences is the geometric middle of the quotients, so no logarithm is needed.
    """
    known = sorted(_compared(pair, scale) for pair in pairs if pair is not None)
    if not known:
        return Effect()
    absent = len(pairs) - len(known)  # absent pairs lie beyond both ends: they widen the bounds
    reach = allowed - absent
    inside = 0 <= reach < len(known)
    return Effect(
        estimate=_known(_middle(known, scale), scale),
        lower=_known(known[reach], scale) if inside else None,
        upper=_known(known[-1 - reach], scale) if inside else None,
    )


def _compared(pair: tuple[float, float], scale: Scale) -> float:
    return pair[0] / pair[1] if scale == "ratio" else pair[0] - pair[1]


def _middle(ordered: Sequence[float], scale: Scale) -> float:
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    if low == high:
        return low
    return sqrt(low) * sqrt(high) if scale == "ratio" else low + (high - low) / 2


def _known(value: float, scale: Scale) -> float | None:
    """None for what floating point could not hold: an infinity, or a quotient that became zero."""
    return None if not isfinite(value) or (scale == "ratio" and value == 0) else value


def median(values: Sequence[float]) -> float | None:
    """The middle value; None of nothing."""
    return _known(_middle(sorted(values), "difference"), "difference") if values else None


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of the values lie, interpolated between neighbours; needs a value."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def present(values: Values) -> list[float]:
    return [value for row in values for value in row if value is not None]
