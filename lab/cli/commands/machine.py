"""Commands about this machine: is it fit, what is left on it, a stack to poke at by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from lab.cli.guard import guarded
from lab.cli.options import (
    REPORTS,
    Json,
    Out,
    StackName,
)


@guarded
def doctor(out: Out = REPORTS, json: Json = False) -> None:
    """Is this machine fit: servers, Docker, disk, limits, noise?"""
    from lab.cli.doctor import examine

    raise typer.Exit(int(examine(out, json=json)))


@guarded
def clean(
    out: Out = REPORTS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed.")] = False,
) -> None:
    """Remove what a killed run left behind: processes, containers, networks, folders."""
    from lab.cli.leftovers import clean_up

    clean_up(out, dry_run=dry_run)


@guarded
def up(
    code: Annotated[
        list[str] | None,
        typer.Option(help="MODULE=VARIANT of the sample app, for example stampede=single_flight."),
    ] = None,
    stack: StackName = "auto",
    out: Out = REPORTS,
    processes: Annotated[int, typer.Option(help="App processes.")] = 1,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay until Ctrl-C.")] = False,
) -> None:
    """Start the sample app with its Postgres and Redis, for poking at by hand."""
    from lab.cli.by_hand import start

    start(out, stack, code or [], processes, foreground=foreground)


@guarded
def down(out: Out = REPORTS) -> None:
    """Stop what `lab up` started."""
    from lab.cli.by_hand import stop

    stop(out)


@guarded
def locustfile_() -> None:
    """Where the load driver's own locustfile lies: locust -f "$(lab locustfile)" --host http://..."""
    from importlib.util import find_spec

    spec = find_spec(
        "lab.driver.locustfile"
    )  # found, not imported: Locust patches the process that imports it
    assert spec is not None and spec.origin is not None
    typer.echo(spec.origin)
