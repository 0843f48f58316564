"""Commands about this machine: is it fit, and what is left on it."""

from __future__ import annotations

from typing import Annotated

import typer

from lab.cli.guard import guarded
from lab.cli.options import REPORTS, Json, Out


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
def link(
    host: Annotated[str, typer.Option(help="Where the API listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the API; 0 takes any.", min=0, max=65535)] = 8474,
    seed: Annotated[int, typer.Option(help="Repeat what chance decides.")] = 1,
) -> None:
    """The TCP fault proxy alone; clients of Toxiproxy drive it. Stays until Ctrl-C."""
    from lab.cli.link import stand

    stand(host, port, seed)


@guarded
def locustfile_() -> None:
    """Where the load driver's own locustfile lies: locust -f "$(lab locustfile)" --host http://..."""
    from importlib.util import find_spec

    spec = find_spec(
        "lab.driver.locustfile"
    )  # found, not imported: Locust patches the process that imports it
    assert spec is not None and spec.origin is not None
    typer.echo(spec.origin)
