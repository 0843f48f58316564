"""The end of a run on a terminal: at most twelve lines that also make sense without colour.

A calm run has as many as it has differences to tell.
"""

from __future__ import annotations

from lab.model.report import Report
from lab.model.run import MeasureResult, Verdict
from lab.report import costs, numbers, words
from lab.verdict.calm import is_calm

LINES = 12
_MAX_CELLS = 3


def ending(report: Report) -> str:
    """What a person reads when a run is over; no line break at the end."""
    closing = [*_void(report), *_warnings(report), _last(report)]
    if is_calm(report.plan):
        return "\n".join([_first(report), *_costs(report), *closing])
    rows = _rows(report, LINES - 1 - len(closing))
    reasons = _reasons(report)[: max(0, min(3, LINES - 1 - len(closing) - len(rows)))]
    return "\n".join([_first(report), *rows, *reasons, *closing])


def explained(report: Report) -> str:
    """Every verdict with the five lines that explain it; no line break at the end."""
    known = [*words.fixes(report), *words.placebos(report)]
    return "\n".join(line for verdict in known for line in told(verdict))


def told(verdict: Verdict) -> list[str]:
    """A verdict by itself: its state, its reason, and why that can be believed."""
    state = f"{verdict.fix}: {words.STATES[verdict.state]}. {verdict.reason}"
    return [state, *(f"  {line}" for line in verdict.explanation)]


def _first(report: Report) -> str:
    info = report.info
    facts = [info.stack, *words.servers(report), f"seed {info.seed}"]
    return f"{report.plan.scenario:<42} {' · '.join(facts)}"


def _rows(report: Report, room: int) -> list[str]:
    verdicts = [*words.fixes(report), *_telling_placebos(report)]
    if not any(verdict.looks for verdict in verdicts):
        return []  # nothing was measured that a row could tell
    more = max(0, len(verdicts) + 1 - room)
    if more:
        verdicts = [*verdicts[: len(verdicts) - more - 2], verdicts[-1]]
        more += 1
    table = [_problem_row(report, verdicts[0]), *(_row(report, verdict) for verdict in verdicts)]
    lines = _aligned(table)
    return [*lines, f"  … {more} more in the report"] if more else lines


def _costs(report: Report) -> list[str]:
    """The differences that were seen as rows; of the others, how large they could be, in a line for each fix."""
    rows = costs.cost_rows(costs.costs(report))
    lines = _aligned([list(costs.HEAD), *(list(row.cells) for row in rows if row.seen)])
    for fix, own in costs.by_fix(rows):
        unseen = [f"{row.measure}{f' ({row.short})' if row.short else ''}" for row in own if not row.seen]
        lines += [f"  {fix}, no difference seen: {', '.join(unseen)}"] if unseen else []
    return lines if rows else []


def _telling_placebos(report: Report) -> list[Verdict]:
    """One placebo speaks for all groups, unless one of them did what it must not."""
    found = words.placebos(report)
    odd = [v for v in found if v.state != "not-resolved"]
    return [*odd[:2]] or [*found[:1]]


def _cells(verdict: Verdict) -> list[MeasureResult]:
    return [m for m in words.ordered(verdict) if m.role == "primary"][: _MAX_CELLS - 1]


def _problem_row(report: Report, verdict: Verdict) -> list[str]:
    told = [f"{numbers.number(m.problem, m.unit)} {m.name}" for m in _cells(verdict)]
    problem = report.plan.in_group(verdict.group, "problem")
    healthy = report.plan.in_group(verdict.group, "healthy")
    slow, well = (words.p99(report, arm.name) if arm else None for arm in (problem, healthy))
    aside = f" (healthy {numbers.milliseconds(well)})" if well is not None else ""
    return ["problem", *told, f"p99 {numbers.milliseconds(slow)}{aside}", words.reproduced(report)]


def _row(report: Report, verdict: Verdict) -> list[str]:
    told = [numbers.number(m.fixed, m.unit) for m in _cells(verdict)]
    slow = numbers.milliseconds(words.p99(report, verdict.arm))
    return [verdict.fix, *told, f"    {slow}", words.state_in_words(verdict)]


def _aligned(table: list[list[str]]) -> list[str]:
    columns = max(len(row) for row in table)
    even = [[*row[:-1], *[""] * (columns - len(row)), row[-1]] for row in table]
    widths = [max(len(row[n]) for row in even) for n in range(columns)]
    lines = []
    for row in even:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append(f"  {'  '.join(cells)}".rstrip())
    return lines


def _void(report: Report) -> list[str]:
    return [f"VOID: {report.judgement.void}"] if report.judgement.void else []


def _reasons(report: Report) -> list[str]:
    """Why, the unexpected first; each fix once."""
    if report.judgement.void:
        return []
    said = []
    for verdict in sorted(words.fixes(report), key=lambda v: (v.expected, v.state == "resolved")):
        how_sure = words.comparisons(verdict)
        resolved = verdict.state == "resolved"
        said.append(how_sure if resolved and how_sure else f"{verdict.fix}: {verdict.reason}")
    return said


def _warnings(report: Report) -> list[str]:
    if not report.warnings:
        return []
    more = f" (and {len(report.warnings) - 1} more in the report)" if len(report.warnings) > 1 else ""
    return [f"warning: {report.warnings[0]}{more}"]


def _last(report: Report) -> str:
    info = report.info
    facts = [
        f"{info.load_s:.0f} s of load",
        f"{info.wall_s:.0f} s in all",
        f"report {report.folder}/report.html",
    ]
    if info.again:
        facts.append(f"again: {info.again}")
    return " · ".join(facts)
