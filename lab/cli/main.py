"""The commands by name, in the order in which ``lab --help`` shows them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from lab.cli.commands import by_hand, look, machine, results, runs
from lab.cli.guard import on_terminate
from lab.cli.settings import defaults

app = typer.Typer(
    name="lab",
    help="See a problem and its cure on real servers: inject a fault, drive load, measure the documented fix.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from lab import __version__

        typer.echo(f"lab {__version__}")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    no_input: Annotated[bool, typer.Option(help="Never ask anything.", envvar="LAB_NO_INPUT")] = False,
) -> None:
    """Options that hold for every command come after the command."""
    del version, no_input


COMMANDS: dict[str, Callable[..., None]] = {
    "run": runs.run,
    "verify": runs.verify,
    "worker": runs.worker,
    "plan": runs.plan,
    "list": look.list_,
    "show": look.show,
    "check": look.check,
    "schema": look.schema,
    "judge": results.judge,
    "report": results.report,
    "compare": results.compare,
    "history": results.history,
    "open": results.open_,
    "doctor": machine.doctor,
    "clean": machine.clean,
    "up": by_hand.up,
    "down": by_hand.down,
    "link": machine.link,
    "ps": by_hand.ps,
    "logs": by_hand.logs,
    "probe": by_hand.probe,
    "psql": by_hand.psql,
    "redis-cli": by_hand.redis_cli,
    "locustfile": machine.locustfile_,
}

GROUPS = {"fault": by_hand.fault, "load": by_hand.load}
_SETTINGS: Mapping[str, Mapping[str, Any]] = dict.fromkeys(("psql", "redis-cli"), by_hand.PASS_ON)

for _name, _command in COMMANDS.items():
    app.command(_name, context_settings=dict(_SETTINGS.get(_name, {})) or None)(_command)
for _group in GROUPS.values():
    app.add_typer(_group)


def _names() -> tuple[str, ...]:
    """Every command; one of a group as ``fault add``."""
    below = (f"{name} {command.name}" for name, one in GROUPS.items() for command in one.registered_commands)
    return (*COMMANDS, *below)


def main() -> None:
    """Entry point of the ``lab`` command."""
    on_terminate()
    try:
        settings = defaults(Path("lab.toml"), _names())
    except ValueError as error:
        sys.stderr.write(f"lab: {error}\n")
        sys.exit(2)
    app(default_map=settings)
