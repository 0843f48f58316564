"""What a run could have seen: the smallest gain that its own blocks would have proven.

The spread between blocks decides that, not the effect that was found. So the fixed blocks are moved until
their typical comparison with the problem (Hodges and Lehmann) says "no change", and are then made smaller
until the claim "better" holds with the pairs that may disagree at the look. How much smaller is the answer:
exact for the pairs at hand, under the one assumption that a gain of another size spreads alike (as a factor
on the ratio scale, as a shift on the difference scale).
"""

from __future__ import annotations

from lab.model.run import Design
from lab.verdict.arm import Course
from lab.verdict.bounds import Pair, effect
from lab.verdict.facts import Sides


def could_see(course: Course, on: str | None, design: Design) -> float | None:
    """The smallest gain on the primary measure ``on`` that the newest look would have called better.

    A share of the problem's value (0.12 is 12 %) on the ratio scale, else a difference in the measure's
    unit. None before the first look, where the look was not valid, and where too many values are absent.
    """
    if course.level is None or course.void:
        return None
    finding = next((f for f in course.primaries if f.spec.name == on), None)
    return smallest_gain(finding.sides, course.level.allowed, design.better_by) if finding else None


def smallest_gain(sides: Sides, allowed: int, better_by: float) -> float | None:
    """The same for one measure; ``allowed`` pairs may disagree, and a gain of ``better_by`` counts.

    Never below 1 - 1/better_by on the ratio scale: that much has to be gained however quiet the blocks are.
    """
    scale = sides.spec.scale
    found = effect(sides.x_f, scale, allowed).estimate
    hardest = effect([_to_beat(pair, better_by) for pair in sides.x_f], scale, allowed).upper
    if found is None or hardest is None:
        return None
    return 1 - found / hardest if scale == "ratio" else hardest - found


def _to_beat(pair: Pair, better_by: float) -> Pair:
    """A fixed block beside what it has to stay below, which is the rule of ``facts.is_gain``."""
    return None if pair is None else (pair[0], min(pair[1], pair[1] / better_by))
