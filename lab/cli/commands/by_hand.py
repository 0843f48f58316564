"""Commands on a stack that stays up: start it, break it, load it, look at it."""

from __future__ import annotations

from typing import Annotated

import typer

from lab.cli.guard import guarded
from lab.cli.options import REPORTS, Json, Out, StackName, complete_scenario

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": ["--help"]}
"""For the clients of the servers: what comes after the command is theirs."""


def _complete_of(folder: str, incomplete: str) -> list[str]:
    from lab.catalog import plugins

    return [kind for kind in plugins(folder) if kind.startswith(incomplete)]


def _complete_fault(incomplete: str) -> list[str]:
    return _complete_of("faults", incomplete)


def _complete_probe(incomplete: str) -> list[str]:
    return _complete_of("probes", incomplete)


def _complete_service(incomplete: str) -> list[str]:
    return [name for name in ("app", "postgres", "redis") if name.startswith(incomplete)]


@guarded
def up(
    code: Annotated[
        list[str] | None,
        typer.Option(help="MODULE=VARIANT of the sample app, for example stampede=single_flight."),
    ] = None,
    stack: StackName = "auto",
    out: Out = REPORTS,
    processes: Annotated[int, typer.Option(help="App processes.")] = 1,
    instances: Annotated[int, typer.Option(help="Instances of the app, behind a balancer from 2 on.")] = 1,
    link: Annotated[
        str,
        typer.Option(help="Services behind a link, for its faults: postgres,redis, or app-2 of instances."),
    ] = "",
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay until Ctrl-C.")] = False,
) -> None:
    """Start the sample app with its Postgres and Redis, for poking at by hand."""
    from lab.cli.by_hand.stack import Wanted, start

    links = tuple(name.strip() for name in link.split(",") if name.strip())
    wanted = Wanted(
        stack=stack, code=tuple(code or ()), processes=processes, links=links, instances=instances
    )
    start(out, wanted, foreground=foreground)


@guarded
def down(out: Out = REPORTS) -> None:
    """Heal and stop what `lab up` started."""
    from lab.cli.by_hand.stack import stop

    stop(out)


@guarded
def ps(out: Out = REPORTS, json: Json = False) -> None:
    """The services of the stack that is up: state, port, CPU, memory, processes."""
    from lab.cli.by_hand import services

    services.ps(out, json=json)


@guarded
def logs(
    service: Annotated[
        str | None,
        typer.Argument(help="app, postgres or redis; all by default.", autocompletion=_complete_service),
    ] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", help="How many lines.")] = 20,
    out: Out = REPORTS,
) -> None:
    """The last lines of a service's log."""
    from lab.cli.by_hand import services

    services.logs(out, service, lines, follow=follow)


@guarded
def psql(context: typer.Context, out: Out = REPORTS) -> None:
    """psql on the stack that is up; what follows is psql's: lab psql -c 'SELECT 1'."""
    from lab.cli.by_hand import clients

    clients.psql(out, context.args)


@guarded
def redis_cli(context: typer.Context, out: Out = REPORTS) -> None:
    """redis-cli on the stack that is up; what follows is its own: lab redis-cli INFO stats."""
    from lab.cli.by_hand import clients

    clients.redis_cli(out, context.args)


@guarded
def probe(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME [KEY=VALUE]...", help="See lab list probes.", autocompletion=_complete_probe
        ),
    ],
    url: Annotated[str, typer.Option(help="An app of your own.")] = "",
    dsn: Annotated[str, typer.Option(help="A Postgres of your own, as a superuser.")] = "",
    redis_url: Annotated[str, typer.Option(help="A Redis of your own.")] = "",
    pid: Annotated[int | None, typer.Option(help="The process of your app.")] = None,
    log: Annotated[list[str] | None, typer.Option(help="SERVICE=FILE, for example postgres=pg.log.")] = None,
    out: Out = REPORTS,
    json: Json = False,
) -> None:
    """What a probe sees on the stack that is up: lab probe locks, lab probe explain of=ranking.

    Or on servers of your own, which it only looks at: lab probe locks --dsn postgresql://postgres@db:5432/shop.
    """
    from lab.cli.by_hand import services
    from lab.cli.by_hand.own import Named

    named = Named(url=url, dsn=dsn, redis_url=redis_url, pid=pid, logs=tuple(log or ()))
    services.probe(out, words, named, json=json)


fault = typer.Typer(name="fault", help="Faults on the stack that is up.", no_args_is_help=True)


@fault.command("add")
@guarded
def fault_add(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[TARGET] KIND [KEY=VALUE]...",
            help="See lab list faults and lab show KIND.",
            autocompletion=_complete_fault,
        ),
    ],
    keep: Annotated[bool, typer.Option("--keep", help="Leave it on although it does not bite.")] = False,
    out: Out = REPORTS,
) -> None:
    """Do it, and measure it: lab fault add redis kill, lab fault add kill service=redis.

    One that does not bite is undone, with exit code 4.
    """
    from lab.cli.by_hand import faults

    faults.add(out, words, keep=keep)


@fault.command("list")
@guarded
def fault_list(out: Out = REPORTS, json: Json = False) -> None:
    """What stands, since when, asked against measured."""
    from lab.cli.by_hand import faults

    faults.show(out, json=json)


@fault.command("rm")
@guarded
def fault_rm(
    which: Annotated[str, typer.Argument(metavar="ID|all", help="As lab fault list shows it.")],
    out: Out = REPORTS,
) -> None:
    """Heal one fault, or all of them, the newest first."""
    from lab.cli.by_hand import faults

    faults.remove(out, which)


load = typer.Typer(name="load", help="Load on the stack that is up.", no_args_is_help=True)


@load.command("start")
@guarded
def load_start(
    name: Annotated[
        str | None, typer.Argument(help="The load of a scenario.", autocompletion=complete_scenario)
    ] = None,
    rate: Annotated[str | None, typer.Option(help="Requests a second, for example 100/s.")] = None,
    get: Annotated[list[str] | None, typer.Option(help="A path to GET; may be given again.")] = None,
    out: Out = REPORTS,
) -> None:
    """Start a load: lab load start stampede, lab load start --rate 100/s --get /products/top."""
    from lab.cli.by_hand import load as by_hand

    by_hand.start(out, name, rate, get or [])


@load.command("status")
@guarded
def load_status(out: Out = REPORTS, json: Json = False) -> None:
    """Requests, rates, failures and latency of the last 10 s."""
    from lab.cli.by_hand import load as by_hand

    by_hand.status(out, json=json)


@load.command("stop")
@guarded
def load_stop(out: Out = REPORTS, json: Json = False) -> None:
    """End the load, with its last figures."""
    from lab.cli.by_hand import load as by_hand

    by_hand.stop(out, json=json)
