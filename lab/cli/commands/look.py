"""Commands that only look at what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab.cli.guard import guarded
from lab.cli.options import (
    Json,
    Name,
)


@guarded
def list_(
    what: Annotated[
        str, typer.Argument(help="scenarios, faults, fixes, probes, measures or stacks.")
    ] = "scenarios",
    json: Json = False,
) -> None:
    """What there is, a line each."""
    from lab.cli.look import show_list

    show_list(what, json=json)


@guarded
def show(name: Name) -> None:
    """One scenario, fault, fix, probe or stack with its documentation."""
    from lab.cli.look import show_one

    show_one(name)


@guarded
def check(files: Annotated[list[Path], typer.Argument(help="Scenario files.")], json: Json = False) -> None:
    """Find every mistake in scenario files, with file, line and column."""
    from lab.cli.look import check_files

    raise typer.Exit(int(check_files(files, json=json)))


@guarded
def schema(
    what: Annotated[str, typer.Argument(help="scenario or report.")] = "scenario",
) -> None:
    """The JSON Schema of a scenario file (for editors) or of report.json."""
    from lab.cli.look import show_schema

    show_schema(what)
