"""``lab verify``: is what the scenarios claim of their fixes true here, and do the controls come out?"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from lab.catalog import control_names, scenario_names
from lab.catalog.touched import a_few
from lab.cli.changes import names_changed_since, turn
from lab.cli.run import Asked, perform, run_all
from lab.errors import Exit, LabError
from lab.model.report import Report
from lab.model.run import Control, Verdict, control_fix, placebo_fix
from lab.report import words

HEAD = ("scenario", "fix", "state", "expected", "effect", "seconds")
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


def chosen_names(
    names: Sequence[str],
    *,
    controls: bool = False,
    changed_since: str | None = None,
    sample: int | None = None,
) -> tuple[str, ...]:
    """What to run: the named scenarios, else all of them or all controls; of these, what a change touches, or a
    ``sample`` of so many, in which what a change touches comes first.

    LabError where names and ``controls`` are both given, or git cannot tell what changed.
    """
    if names and controls:
        raise LabError(
            "the controls are scenarios of their own",
            where="--controls",
            why=f"beside it you name {', '.join(names)}",
            do="leave out the names, or name the controls among them",
        )
    chosen = tuple(names) or (control_names() if controls else scenario_names())
    touched = chosen if changed_since is None else names_changed_since(chosen, changed_since)
    return touched if sample is None else a_few(chosen, touched, sample, turn())


def verify(asked: Asked) -> Exit:
    """Run every scenario, then say in a table what each fix came to, if anything was judged.

    Returns the worst exit code.
    """
    if not asked.names:
        sys.stderr.write("lab: no scenario is touched by what changed: nothing to run\n")
        return Exit.OK
    if asked.json or asked.calm:
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
        yield report.plan.scenario, "", "VOID" if report.judgement.void else "no fix", "", "", seconds
    for verdict in judged:
        state, effect = words.STATES[verdict.state], words.effect(verdict)
        yield report.plan.scenario, verdict.fix, state, _expected(verdict), effect, seconds


def _expected(verdict: Verdict) -> str:
    if verdict.expected:
        return "yes"
    if verdict.fix in PLACEBOS:
        return "no, anything but RESOLVED"
    return f"no, {' or '.join(words.STATES[state] for state in verdict.expect)}"
