"""Annotations for GitHub Actions, at most ten, each at the line of the scenario that it is about."""

from __future__ import annotations

import re

from lab.model.report import Report
from lab.model.run import Verdict
from lab.report import words

AT_MOST = 10  # GitHub shows ten of a kind for each step


def as_annotations(report: Report) -> str:
    """One workflow command a line, worst first; where there are more than ten, the last says how many."""
    lines = [*_void(report), *_verdicts(report), *_warnings(report)]
    if len(lines) > AT_MOST:
        more = len(lines) - AT_MOST + 1
        lines = [*lines[: AT_MOST - 1], _command("notice", report, 1, "lab", f"{more} more in the report")]
    return "".join(f"{line}\n" for line in lines)


def _void(report: Report) -> list[str]:
    why = report.judgement.void
    return [_command("error", report, 1, f"{report.plan.scenario}: VOID", why)] if why else []


def _verdicts(report: Report) -> list[str]:
    known = sorted(report.judgement.verdicts, key=lambda v: (v.expected, v.state == "resolved"))
    return [_of_verdict(report, verdict) for verdict in known]


def _of_verdict(report: Report, verdict: Verdict) -> str:
    undecided = verdict.state in ("inconclusive", "not-reproduced", "void")
    level = "notice" if verdict.expected else "warning" if undecided else "error"
    title = f"{report.plan.scenario}: {verdict.fix}: {words.state_in_words(verdict)}"
    return _command(level, report, _line_of(report.scenario.source, verdict.fix), title, verdict.reason)


def _warnings(report: Report) -> list[str]:
    return [_command("warning", report, 1, report.plan.scenario, warning) for warning in report.warnings]


def _line_of(source: str, fix: str) -> int:
    """The line on which a scenario file names this fix, below its ``fixes:``; else the first."""
    inside = False
    for number, line in enumerate(source.splitlines(), 1):
        if re.match(r"fixes\s*:", line):
            inside = True
        elif inside and re.match(rf"\s+[\"']?{re.escape(fix)}[\"']?\s*:", line):
            return number
    return 1


def _command(level: str, report: Report, line: int, title: str, message: str) -> str:
    place = f"file={_property(report.scenario.path)},line={line},title={_property(title)}"
    return f"::{level} {place}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
