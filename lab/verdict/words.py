"""The reason of a state: one sentence in plain words with its numbers and units."""

from __future__ import annotations

from collections.abc import Sequence

from lab.model.run import Design
from lab.verdict.arm import Course, Finding
from lab.verdict.bounds import Effect, present
from lab.verdict.figures import blocks, bound, difference, factor, times, value
from lab.verdict.missing import Missing, missing
from lab.verdict.numbers import Numbers, numbers
from lab.verdict.tail import most_allowed_in_tail


def reason(course: Course, design: Design) -> str:
    """Why the arm has the state it has."""
    if course.void:
        return course.void
    if course.outcome is None or course.level is None:
        return _undecided(course, design)
    match course.outcome.code:
        case "not-reproduced":
            return _not_reproduced(course, design)
        case "worse" | "guardrail-worse":
            return _worse(course)
        case "missing-better" | "missing-within":
            lacking = missing(course, design)
            return _missing(lacking, course, design) if lacking else ""
        case "intermittent":
            return _intermittent(course, design)
        case "absent-values":
            return _absent(course)
        case "control-held":
            return f"{_reached(course)}: as bad as a placebo has to be, and no fix beside it is still open"
        case "no-gain" | "not-better":
            return _not_resolved(course, design)
        case _:
            return _reached(course)


def _undecided(course: Course, design: Design) -> str:
    if course.look is None:
        return f"not decided yet: the first look needs {design.looks[0]} complete rounds of blocks"
    done = len(course.look.strata) * design.per_stratum
    return f"not decided yet: look {course.looks} of {len(design.looks)} was taken at {blocks(done)} an arm"


def _numbers(course: Course, finding: Finding) -> Numbers:
    return numbers(finding.sides, course.level.allowed if course.level else 0)


def _contrast(finding: Finding, found: Numbers) -> str:
    unit = finding.spec.unit
    return f"{finding.spec.name} {value(found.fixed, unit)} against {value(found.problem, unit)}"


def _cause_first(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: not finding.spec.cause)


def _reached(course: Course) -> str:
    """Resolved, improved, or on the way to resolved: every primary measure, and what remains."""
    clauses: list[str] = []
    for finding in _cause_first(course.primaries):
        found = _numbers(course, finding)
        bad = "ABOVE" in finding.facts
        where = _standing(course, finding, found) if bad or not clauses else ""
        clauses.append(_contrast(finding, found) + where)
    return "; ".join([*clauses, *_confirmation(course)])


def _confirmation(course: Course) -> list[str]:
    """How the confirm tail went, unless the limit's own clause has said so."""
    tail, code = course.tail, course.outcome.code if course.outcome else ""
    if tail is None:
        return []
    if code == "tail-incomplete":
        return [f"{tail.counted} of {tail.of} confirming blocks so far, all of them clean"]
    said = _cause_first(course.primaries)[0].spec.limit is not None
    return [f"{tail.clean} of {tail.of} blocks clean"] if code == "resolved" and not said else []


def _standing(course: Course, finding: Finding, found: Numbers) -> str:
    """Where a measure stands to its limit or to healthy, as the end of a clause."""
    spec, sides = finding.spec, finding.sides
    if spec.limit is not None:
        over, known = sides.over(sides.fixed), len(present(sides.fixed))
        limit = f"the limit of {bound(spec.limit, spec.unit)}"
        if over:
            return f", still over {limit} in {over} of {blocks(known)}"
        confirmed = course.tail.counted if course.tail else known
        return f" and never over {limit} in {blocks(confirmed)}"
    still = "still " if "ABOVE" in finding.facts else ""
    return f", {still}{_to_healthy(finding, found.x_h)}"


def _to_healthy(finding: Finding, to: Effect) -> str:
    spec = finding.spec
    if spec.scale == "ratio":
        reach = f"{times(to.lower)} to {times(to.upper)}, allowed {factor(spec.tau)}"
        return f"{times(to.estimate)} healthy ({reach})"
    unit = spec.unit
    reach = f"{difference(to.lower, unit)} to {difference(to.upper, unit)}"
    return (
        f"{difference(to.estimate, unit)} from healthy ({reach}, allowed {difference(spec.tolerance, unit)})"
    )


def _not_reproduced(course: Course, design: Design) -> str:
    without = [f for f in course.primaries if "REP" not in f.facts]
    finding = next((f for f in without if "NOREP" in f.facts), without[0])
    spec, sides, found = finding.spec, finding.sides, _numbers(course, finding)
    if spec.limit is not None:
        over, known = sides.over(sides.problem), len(present(sides.problem))
        needed = course.level.over if course.level else 0
        limit = bound(spec.limit, spec.unit)
        return (
            f"the fault did not show its symptom: {spec.name} was over the limit of {limit}"
            f" in {over} of {blocks(known)} with the problem ({needed} needed)"
        )
    shown, healthy = value(found.problem, spec.unit), value(found.healthy, spec.unit)
    had = f"{spec.name} {shown} with the problem against {healthy} healthy"
    return f"the fault did not show its symptom: {had}, {_reproduction(finding, found, design)}"


def _reproduction(finding: Finding, found: Numbers, design: Design) -> str:
    needed = factor(design.reproduced_over)
    if finding.spec.scale == "ratio":
        return f"{times(found.f_h.lower)} to {times(found.f_h.upper)} (more than {needed} needed)"
    unit = finding.spec.unit
    most, slack = difference(found.f_h.upper, unit), difference(finding.spec.tolerance, unit)
    return f"at most {most} apart (more than {needed} healthy {slack} needed)"


def _worse(course: Course) -> str:
    harmed = course.harmed
    if harmed:
        clauses = [_harm(course, finding) for finding in harmed]
        better = all("BETTER" in finding.facts for finding in course.primaries)
        gained = _contrast(course.primaries[0], _numbers(course, course.primaries[0]))
        return (f"it helps the symptom ({gained}), but " if better else "") + "; ".join(clauses)
    worse = [finding for finding in course.primaries if "WORSE" in finding.facts]
    return "; ".join(f"worse than the problem: {_increase(course, finding)}" for finding in worse)


def _harm(course: Course, finding: Finding) -> str:
    spec, sides = finding.spec, finding.sides
    if spec.limit is None:
        return f"a guardrail got worse: {_increase(course, finding)}"
    over, known = sides.over(sides.fixed), len(present(sides.fixed))
    limit = f"its limit of {bound(spec.limit, spec.unit)} in {over} of {blocks(known)}"
    return f"a guardrail got worse: {_contrast(finding, _numbers(course, finding))}, over {limit}"


def _increase(course: Course, finding: Finding) -> str:
    found, unit = _numbers(course, finding), finding.spec.unit
    if finding.spec.scale == "ratio":
        by = f"{times(found.x_f.estimate)}, at least {times(found.x_f.lower)}"
    else:
        by = f"{difference(found.x_f.estimate, unit)}, at least {difference(found.x_f.lower, unit)}"
    return f"{_contrast(finding, found)} ({by})"


def _not_resolved(course: Course, design: Design) -> str:
    lacking = {"ABOVE", "NOGAIN"} if course.outcome and course.outcome.code == "no-gain" else {"ABOVE"}
    to_blame = [
        f for f in course.primaries if lacking <= f.facts and (len(lacking) > 1 or "BETTER" not in f.facts)
    ]
    gain = f"gained less than {factor(design.no_gain)}" if len(lacking) > 1 else "not shown to be better"
    clauses = []
    for finding in _cause_first(to_blame):
        found = _numbers(course, finding)
        clauses.append(_contrast(finding, found) + _standing(course, finding, found))
    return f"{'; '.join(clauses)}: {gain}"


def _missing(lacking: Missing, course: Course, design: Design) -> str:
    finding, found = lacking.finding, lacking.numbers
    spec, sides = finding.spec, finding.sides
    known = sum(len(row) for row in sides.fixed)
    advice = f"; about {lacking.more_blocks} blocks an arm would decide" if lacking.more_blocks else ""
    if lacking.fact == "BETTER":
        most = times(found.x_f.upper) if spec.scale == "ratio" else difference(found.x_f.upper, spec.unit)
        compared = (
            f"up to {most} of the problem" if spec.scale == "ratio" else f"up to {most} against the problem"
        )
        counts = f" (a gain of {factor(design.better_by)} counts)" if design.better_by > 1 else ""
        bounds = f"it may be {compared} after {blocks(known)}{counts}"
        return f"not shown to be better: {_contrast(finding, found)}, but {bounds}{advice}"
    if spec.limit is not None:
        over, present_ = sides.over(sides.fixed), len(present(sides.fixed))
        needed = course.level.over if course.level else 0
        limit = bound(spec.limit, spec.unit)
        return (
            f"better, but not shown to stay within the limit: {spec.name} was over {limit} in {over} of"
            f" {blocks(present_)} (none may be; {needed} would prove it exceeded){advice}"
        )
    standing = _to_healthy(finding, found.x_h)
    return f"better, but not shown to be back to healthy: {spec.name} is {standing}{advice}"


def _intermittent(course: Course, design: Design) -> str:
    tail = course.tail
    if tail is None:
        return ""
    names = []
    for finding in course.primaries:
        if (
            finding.spec.name in tail.dirty
            and (most := most_allowed_in_tail(finding.sides, design)) is not None
        ):
            allowed = (
                bound(most, finding.spec.unit)
                if finding.spec.limit is not None
                else value(most, finding.spec.unit)
            )
            names.append(f"{finding.spec.name} exceeded {allowed}")
    bad = tail.counted - tail.clean
    return f"the fix works only part of the time: {' and '.join(names)} in {bad} of {blocks(tail.counted)}"


def _absent(course: Course) -> str:
    tail = course.tail
    counted = f"only {tail.counted} of {tail.of}" if tail else "too few"
    return f"it could not be confirmed: {counted} blocks of the fix had a value of every measure"
