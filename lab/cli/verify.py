"""``lab verify``: is what the scenarios claim of their fixes true here, and do the controls come out?"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from lab.cli.run import Asked, perform, run_all
from lab.errors import Exit, LabError
from lab.model.report import Report
from lab.model.run import Control, Verdict, control_fix, placebo_fix
from lab.report import words

HEAD = ("scenario", "fix", "state", "expected", "seconds")
PLACEBOS = (placebo_fix(), control_fix("placebo"))


def chosen_control(*, placebo: bool, perfect: bool) -> Control | None:
    """The control that was asked for, if any. LabError for both at once: a run has one."""
    if placebo and perfect:
        raise LabError(
            "a run has one control in the place of the fix",
            where="--placebo, --perfect",
            do="name one of them, then run the other",
        )
    return "placebo" if placebo else "perfect" if perfect else None


def verify(asked: Asked) -> Exit:
    """Run every scenario, then say in a table what each fix came to. Returns the worst exit code."""
    if asked.json:
        return run_all(asked)
    ran = perform(asked)
    sys.stdout.write("\n" + "\n".join(table(ran.reports)) + "\n")
    return ran.exit


def table(reports: Sequence[Report]) -> Iterator[str]:
    """A line for each fix: how it ended, whether that was expected, and how long the whole run took."""
    rows = [HEAD, *(row for report in reports for row in _rows(report))]
    widths = [max(len(row[n]) for row in rows) for n in range(len(HEAD))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _rows(report: Report) -> Iterator[tuple[str, ...]]:
    seconds = f"{report.info.wall_s:.0f}"
    judged = [v for v in report.judgement.verdicts if v.fix != placebo_fix() or v.state == "resolved"]
    if not judged:
        yield report.plan.scenario, "", "VOID" if report.judgement.void else "no fix", "", seconds
    for verdict in judged:
        yield report.plan.scenario, verdict.fix, words.STATES[verdict.state], _expected(verdict), seconds


def _expected(verdict: Verdict) -> str:
    if verdict.expected:
        return "yes"
    if verdict.fix in PLACEBOS:
        return "no, anything but RESOLVED"
    return f"no, {' or '.join(words.STATES[state] for state in verdict.expect)}"
