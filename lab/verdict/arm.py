"""One arm through its looks: facts gather, and the first decision stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lab.model.run import Arm, Block, Design, MeasureSpec
from lab.verdict.counting import Look, Record, take_look
from lab.verdict.decide import Outcome, decide
from lab.verdict.exact import allowed_for, guardrail_allowed, over_needed
from lab.verdict.facts import Facts, Level, Sides, carried, harm, prove, sides_of
from lab.verdict.tail import Tail, confirm
from lab.verdict.validity import invalid


@dataclass(frozen=True)
class Finding:
    """One measure of an arm at its newest look, with everything proven so far."""

    sides: Sides
    facts: Facts

    @property
    def spec(self) -> MeasureSpec:
        return self.sides.spec


@dataclass(frozen=True, kw_only=True)
class Course:
    """How far the judging of an arm has come.

    ``outcome`` is None while it is undecided, ``look`` None before the first look. ``void`` holds the
    sentence where a look was not valid.
    """

    arm: Arm
    looks: int = 0
    look: Look | None = None
    level: Level | None = None
    findings: tuple[Finding, ...] = ()
    tail: Tail | None = None
    outcome: Outcome | None = None
    void: str = ""
    gate_off: bool = False  # at any look so far

    @property
    def primaries(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.spec.role == "primary")

    @property
    def harmed(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if "HARM" in f.facts)

    @property
    def reproduced(self) -> bool:
        return bool(self.primaries) and all("REP" in f.facts for f in self.primaries)


def follow(record: Record, arm: Arm) -> Course:
    """Take every look at an arm that its blocks allow, until one decides."""
    course = Course(arm=arm)
    for number in range(len(record.plan.design.looks)):
        look = take_look(record, arm, number)
        if look is None or course.outcome is not None:
            break
        course = _after(course, look, record)
    return course


def _after(course: Course, look: Look, record: Record) -> Course:
    plan, design = record.plan, record.plan.design
    level = _level(look, plan.measures, design)
    findings = _findings(course, look, level, plan.measures, design)
    primaries = [f.sides for f in findings if f.spec.role == "primary"]
    taken = replace(
        course,
        looks=look.number + 1,
        look=look,
        level=level,
        findings=findings,
        gate_off=course.gate_off or not look.gate_on,
    )
    void = invalid(primaries)
    if void is not None:
        return replace(taken, outcome=Outcome(state="void", code=void.code), void=void.reason)
    tail = confirm(_flat(look.fixed), record.confirming(course.arm.name, look), primaries, design)
    facts = [f.facts for f in taken.primaries]
    outcome = decide(facts, harmed=bool(taken.harmed), tail=tail, last=level.last)
    return replace(taken, tail=tail, outcome=outcome)


def _level(look: Look, measures: Sequence[MeasureSpec], design: Design) -> Level:
    number, strata = look.number, len(look.strata)
    guardrails = sum(spec.role == "guardrail" for spec in measures)
    allowed = allowed_for(design, design.allowed, number, strata)
    return Level(
        look=number,
        last=number == len(design.looks) - 1,
        allowed=-1 if allowed is None else allowed,
        over=over_needed(design, number, strata),
        guard=allowed_for(design, guardrail_allowed(design, guardrails), number, strata)
        if guardrails
        else None,
    )


def _findings(
    course: Course, look: Look, level: Level, measures: Sequence[MeasureSpec], design: Design
) -> tuple[Finding, ...]:
    before = {finding.spec.name: finding.facts for finding in course.findings}
    found = []
    for spec in measures:
        sides = sides_of(look, spec)
        now = prove(sides, level, design) if spec.role == "primary" else harm(sides, level, design)
        found.append(Finding(sides, carried(before.get(spec.name, frozenset()), now, spec)))
    return tuple(found)


def _flat(rows: Sequence[Sequence[Block]]) -> list[Block]:
    return [block for row in rows for block in row]
