"""Commands that start from run folders."""

from __future__ import annotations

from typing import Annotated

import typer

from lab.cli.guard import guarded
from lab.cli.options import (
    ALL_FORMATS,
    REPORTS,
    Formats,
    Inconclusive,
    Json,
    Out,
    RunName,
    RunOne,
)


@guarded
def judge(name: RunName = None, out: Out = REPORTS, json: Json = False) -> None:
    """Judge a run again from its plan and blocks: no stack, no load, the same bytes each time."""
    from lab.cli.results import judge_again

    raise typer.Exit(int(judge_again(out, name, json=json)))


@guarded
def report(
    name: RunName = None,
    out: Out = REPORTS,
    formats: Formats = ALL_FORMATS,
    inconclusive: Inconclusive = "error",
    json: Json = False,
) -> None:
    """Write a run's reports again from its folder."""
    from lab.cli.results import report_again

    report_again(out, name, formats, inconclusive=inconclusive, json=json)


@guarded
def open_(name: RunName = None, out: Out = REPORTS) -> None:
    """Open a run's HTML report in a browser."""
    from lab.cli.results import open_report

    open_report(out, name)


@guarded
def history(
    name: Annotated[str | None, typer.Argument(help="A scenario; all of them by default.")] = None,
    out: Out = REPORTS,
    json: Json = False,
) -> None:
    """Past runs, a line each, and in how many of them a placebo came out RESOLVED."""
    from lab.cli.history import show_history

    show_history(out, name, json=json)


@guarded
def compare(first: RunOne, second: RunOne, out: Out = REPORTS, json: Json = False) -> None:
    """Two runs of one experiment side by side; refused where their environments differ."""
    from lab.cli.compare import show_comparison

    show_comparison(out, first, second, json=json)
