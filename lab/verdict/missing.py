"""What an inconclusive arm lacks: the fact, its bound, and about how many blocks would decide.

A bound narrows with the square root of the blocks, so n blocks with a bound ``width`` away from the
estimate become n * (width / needed)^2 for one that is ``needed`` away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, log

from lab.model.run import Design
from lab.verdict.arm import Course, Finding
from lab.verdict.bounds import Effect
from lab.verdict.numbers import Numbers, numbers

MOST_BLOCKS = 10_000  # beyond this, "more blocks" is no advice


@dataclass(frozen=True, kw_only=True)
class Missing:
    """``fact`` is BETTER or WITHIN; ``more_blocks`` None where no number of blocks would decide."""

    finding: Finding
    numbers: Numbers
    fact: str
    more_blocks: int | None


def missing(course: Course, design: Design) -> Missing | None:
    """The first fact that a course lacks at its last look; None where nothing is missing."""
    if course.outcome is None or course.level is None or not course.outcome.code.startswith("missing-"):
        return None
    fact = course.outcome.code.removeprefix("missing-").upper()
    finding = next(f for f in course.primaries if fact not in f.facts)
    found = numbers(finding.sides, course.level.allowed)
    blocks = sum(len(row) for row in finding.sides.fixed)
    return Missing(
        finding=finding, numbers=found, fact=fact, more_blocks=_more(finding, found, fact, blocks, design)
    )


def _more(finding: Finding, found: Numbers, fact: str, blocks: int, design: Design) -> int | None:
    spec = finding.spec
    ratio = spec.scale == "ratio"
    scaled = _log if ratio else _same
    better = _below(found.x_f, _gain(found, ratio, design), scaled, blocks) if fact == "BETTER" else None
    if better is not None:
        return better
    if spec.limit is not None:
        return None  # one block over the limit is one too many, however many follow
    tolerated = log(spec.tau) if ratio else spec.tolerance
    within = _below(found.x_h, tolerated, scaled, blocks) if fact == "WITHIN" else None
    return within if within is not None else _above(found.x_h, tolerated, scaled, blocks)


def _gain(found: Numbers, ratio: bool, design: Design) -> float:
    """The effect that counts, as a logarithm or as a difference from the problem's usual value."""
    if ratio:
        return -log(design.better_by)
    return -max(found.problem or 0.0, 0.0) * (1 - 1 / design.better_by)


def _log(number: float) -> float:
    return log(number)


def _same(number: float) -> float:
    return number


def _below(found: Effect, threshold: float, scaled: Callable[[float], float], blocks: int) -> int | None:
    if found.estimate is None or found.upper is None:
        return None
    estimate = scaled(found.estimate)
    return _blocks(scaled(found.upper) - estimate, threshold - estimate, blocks)


def _above(found: Effect, threshold: float, scaled: Callable[[float], float], blocks: int) -> int | None:
    if found.estimate is None or found.lower is None:
        return None
    estimate = scaled(found.estimate)
    return _blocks(estimate - scaled(found.lower), estimate - threshold, blocks)


def _blocks(width: float, needed: float, blocks: int) -> int | None:
    """At least one more than there are: with these the fact was missing."""
    if needed <= 0 or blocks * (width / needed) ** 2 > MOST_BLOCKS:
        return None
    return max(blocks + 1, ceil(blocks * (width / needed) ** 2))
