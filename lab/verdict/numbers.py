"""The numbers of one measure for people: medians of the arms, and effects with their bounds."""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.model.run import Arm, Design, MeasureResult, MeasureSpec
from lab.verdict.arm import Course
from lab.verdict.bounds import Effect, effect, median, present, value_in
from lab.verdict.counting import Record
from lab.verdict.facts import FACTS, Facts, Sides


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Medians over blocks in the measure's unit; effects as quotients or differences by its scale."""

    problem: float | None = None
    fixed: float | None = None
    healthy: float | None = None
    x_f: Effect = field(default_factory=Effect)
    x_h: Effect = field(default_factory=Effect)
    f_h: Effect = field(default_factory=Effect)


def numbers(sides: Sides, allowed: int) -> Numbers:
    scale = sides.spec.scale
    return Numbers(
        problem=median(present(sides.problem)),
        fixed=median(present(sides.fixed)),
        healthy=median(present(sides.healthy)) if sides.healthy is not None else None,
        x_f=effect(sides.x_f, scale, allowed),
        x_h=effect(sides.x_h, scale, allowed),
        f_h=effect(sides.f_h, scale, allowed),
    )


def results(course: Course, record: Record) -> tuple[MeasureResult, ...]:
    """Every measure of an arm at its newest look; before the first one, the medians so far."""
    if course.level is None:
        return tuple(_so_far(course.arm, spec, record) for spec in record.plan.measures)
    return tuple(_result(f.spec, numbers(f.sides, course.level.allowed), f.facts) for f in course.findings)


def _so_far(arm: Arm, spec: MeasureSpec, record: Record) -> MeasureResult:
    medians = []
    for name in record.compared(arm):
        values = (value_in(block, spec) for block in record.counted(name))
        medians.append(median([value for value in values if value is not None]))
    fixed, problem, healthy = (*medians, None, None)[:3]
    return _result(spec, Numbers(problem=problem, fixed=fixed, healthy=healthy), frozenset())


def _result(spec: MeasureSpec, found: Numbers, facts: Facts) -> MeasureResult:
    return MeasureResult(
        name=spec.name,
        unit=spec.unit,
        problem=found.problem,
        fixed=found.fixed,
        healthy=found.healthy,
        ratio=found.x_f.estimate,
        lower=found.x_f.lower,
        upper=found.x_f.upper,
        limit=spec.limit,
        scale=spec.scale,
        role=spec.role,
        cause=spec.cause,
        to_healthy=found.x_h.estimate,
        to_healthy_lower=found.x_h.lower,
        to_healthy_upper=found.x_h.upper,
        facts=tuple(fact for fact in FACTS if fact in facts),
    )


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How many side-by-side comparisons favour the fix by a gain that counts, on what, and its luck in words."""

    agree: int
    pairs: int
    on: str
    chance: str | None


def agreement(course: Course, design: Design) -> Agreement | None:
    """On the primary measure with most agreement; the cause where several agree as well."""
    if course.level is None or not course.primaries:
        return None
    counted = [(f.sides.favouring(design.better_by), f) for f in course.primaries]
    agree, finding = max(counted, key=lambda pair: (pair[0], pair[1].spec.cause))
    pairs = len(finding.sides.x_f)
    lucky = pairs - agree <= course.level.allowed  # the claim "better" holds at this very look
    rate = design.alpha[course.level.look]
    chance = f"once in {round(1 / rate)} runs" if lucky else None
    return Agreement(agree=agree, pairs=pairs, on=finding.spec.name, chance=chance)
