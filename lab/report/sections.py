"""The parts of the HTML page as plain data, so that its templates hold no arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from lab.model.report import Report
from lab.model.run import MeasureResult, MeasureSpec, Verdict
from lab.report import numbers, words
from lab.report.arms import Look


@dataclass(frozen=True)
class Bars:
    """A number of the answer with its bars, as percentages of the longest."""

    number: words.Number
    before: float
    after: float
    allowed: float | None


@dataclass(frozen=True)
class ArmRow:
    """One arm in the table of one measure."""

    look: Look
    middle: str
    span: str  # smallest to largest block
    blocks: int
    change: str
    bounds: str


@dataclass(frozen=True)
class MeasureTable:
    name: str
    detail: str
    rows: tuple[ArmRow, ...]


@dataclass(frozen=True)
class Side:
    look: Look
    text: str


@dataclass(frozen=True)
class EvidencePart:
    """What one probe saw in several arms, the problem first."""

    title: str
    command: str
    sides: tuple[Side, ...]


@dataclass(frozen=True)
class CodeLine:
    kind: str  # add, del, hunk, same
    text: str


@dataclass(frozen=True)
class CodePart:
    fix: str
    why: str
    costs: str
    documented: bool
    lines: tuple[CodeLine, ...]


def bars(report: Report, verdict: Verdict) -> tuple[Bars, ...]:
    """The three numbers with their bars."""
    return tuple(_bars(number) for number in words.three_numbers(report, verdict))


def _bars(number: words.Number) -> Bars:
    before, after, allowed = number.values
    most = max((value for value in number.values if value is not None), default=0.0) or 1.0
    share = [max(0.0, 100 * value / most) if value is not None else 0.0 for value in (before, after)]
    return Bars(number, share[0], share[1], None if allowed is None else 100 * allowed / most)


def before_and_after(report: Report, looks: dict[str, Look]) -> tuple[MeasureTable, ...]:
    """For each measure every arm's blocks, and for each fix the change with its bounds."""
    found = (_table(report, spec, looks) for spec in report.plan.measures)
    return tuple(table for table in found if table.rows)


def _table(report: Report, spec: MeasureSpec, looks: dict[str, Look]) -> MeasureTable:
    found = {verdict.arm: _result(verdict, spec.name) for verdict in report.judgement.verdicts}
    rows = [_arm_row(report, spec, looks[arm], found.get(arm)) for arm in looks]
    return MeasureTable(spec.name, _detail(spec), tuple(row for row in rows if row.blocks))


def _result(verdict: Verdict, name: str) -> MeasureResult | None:
    return next((m for m in verdict.measures if m.name == name), None)


def _detail(spec: MeasureSpec) -> str:
    if spec.limit is not None:
        allowed = f"limit {numbers.bound(spec.limit, spec.unit)}"
    elif spec.scale == "ratio":
        allowed = f"allowed up to × {spec.tau:g} of healthy"
    else:
        allowed = f"allowed up to {numbers.effect(spec.tolerance, spec.scale, spec.unit)} above healthy"
    role = "guardrail" if spec.role == "guardrail" else "cause" if spec.cause else "symptom"
    return f"{role} · {allowed}"


def _arm_row(report: Report, spec: MeasureSpec, look: Look, result: MeasureResult | None) -> ArmRow:
    values = [
        value
        for block in report.blocks
        if block.arm == look.arm and not block.disturbed and block.phase != "closing"
        if (value := block.values.get(spec.name)) is not None
    ]
    middle = numbers.number(median(values), spec.unit) if values else numbers.NONE
    span = (
        f"{numbers.number(min(values), spec.unit)} – {numbers.number(max(values), spec.unit)}"
        if values
        else ""
    )
    if result is None:
        return ArmRow(look, middle, span, len(values), "", "")
    change = numbers.effect(result.ratio, result.scale, result.unit)
    bounds = numbers.interval(result.lower, result.upper, result.scale, result.unit)
    return ArmRow(look, middle, span, len(values), change, bounds)


def evidence(report: Report, looks: dict[str, Look]) -> tuple[EvidencePart, ...]:
    """Every probe once in the order of the scenario, with what it saw in each arm."""
    parts: dict[str, dict[str, str]] = {}
    for name in report.evidence:
        arm, _, probe = name.rpartition(".")
        parts.setdefault(probe, {})[arm] = name
    order = report.scenario.evidence_names
    names = sorted(parts, key=lambda probe: order.index(probe) if probe in order else len(order))
    return tuple(_evidence(report, looks, parts[name]) for name in names)


def _evidence(report: Report, looks: dict[str, Look], by_arm: dict[str, str]) -> EvidencePart:
    seen = {arm: report.evidence[name] for arm, name in by_arm.items()}
    ordered = [arm for arm in looks if arm in seen] + [arm for arm in seen if arm not in looks]
    first = seen[ordered[0]]
    sides = tuple(Side(looks.get(arm, _unknown(arm)), seen[arm].text.rstrip()) for arm in ordered)
    return EvidencePart(first.title or first.kind, first.command, sides)


def _unknown(arm: str) -> Look:
    return Look(arm, arm, "healthy", "circle", None, "other")


def code(report: Report) -> tuple[CodePart, ...]:
    """What each fix of the run changes; fixes that were not run are left out."""
    run = {verdict.fix for verdict in report.judgement.verdicts} | {arm.fix for arm in report.plan.arms}
    return tuple(_code(report, name, text) for name, text in report.code.items() if name in run and text)


def _code(report: Report, name: str, text: str) -> CodePart:
    fix = report.scenario.fixes.get(name)
    lines = tuple(_code_line(line, is_diff=text.startswith("---")) for line in text.rstrip().splitlines())
    return CodePart(
        name, fix.why if fix else "", fix.costs if fix else "", bool(fix and fix.documented), lines
    )


def _code_line(line: str, *, is_diff: bool) -> CodeLine:
    if not is_diff:
        return CodeLine("same", line)
    if line.startswith(("---", "+++", "@@")):
        return CodeLine("hunk", line)
    return CodeLine({"+": "add", "-": "del"}.get(line[:1], "same"), line)
