"""What the placebo arms of a run say of the run itself, and when they have said enough. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lab.model.run import control_fix, placebo_fix
from lab.verdict.arm import Course
from lab.verdict.decide import Outcome
from lab.verdict.validity import Void

PLACEBOS = frozenset({placebo_fix(), control_fix("placebo")})


def held(placebos: Sequence[Course], fixes: Sequence[Course]) -> list[Course]:
    """The courses of the placebos, each ended where its group needs no more of it.

    A placebo is there to be not resolved. Once it is proven to be above tolerance it cannot come out
    RESOLVED any more, and once every fix of its group is decided nothing else is measured beside it: more
    blocks could only tell "not resolved" from "improved", which changes no verdict of the run.
    """
    return [_ended(course) if _is_enough(course, fixes) else course for course in placebos]


def _ended(course: Course) -> Course:
    return replace(course, outcome=Outcome(state="not-resolved", code="control-held"))


def _is_enough(course: Course, fixes: Sequence[Course]) -> bool:
    beside = [fix for fix in fixes if fix.arm.group == course.arm.group]
    decided = all(fix.outcome is not None and not fix.outcome.needs_tail for fix in beside)
    above = any("ABOVE" in finding.facts for finding in course.primaries)
    return course.outcome is None and bool(beside) and decided and course.reproduced and above


def control_failed(courses: Sequence[Course]) -> Void | None:
    """Why no verdict of the run counts, where a placebo came out RESOLVED."""
    placebos = [c for c in courses if c.arm.role == "placebo" or c.arm.fix in PLACEBOS]
    if not any(c.outcome and c.outcome.state == "resolved" for c in placebos):
        return None
    return Void(
        code="control-failed",
        reason="the placebo came out RESOLVED although nothing was fixed in it, so no verdict counts",
    )
