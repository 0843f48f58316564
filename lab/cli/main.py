"""The commands by name. Each is a few lines here; what it does lies in the module it calls, imported late."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lab.cli.guard import guarded, on_terminate
from lab.cli.settings import defaults

app = typer.Typer(
    name="lab",
    help="See a problem and its cure on real servers: inject a fault, drive load, measure the documented fix.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Out = Annotated[Path, typer.Option(help="Folder of the run folders.", envvar="LAB_OUT")]
StackName = Annotated[str, typer.Option("--stack", help="auto, embedded or containers.", envvar="LAB_STACK")]
Seed = Annotated[int | None, typer.Option(help="Repeat a run: order and requests.", envvar="LAB_SEED")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.", envvar="LAB_JSON")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No progress.", envvar="LAB_QUIET")]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Every block as a line.", envvar="LAB_VERBOSE")
]
Color = Annotated[str, typer.Option(help="auto, always or never.", envvar="LAB_COLOR")]
RunName = Annotated[
    str | None, typer.Argument(help="A run folder, its id or a scenario; the newest by default.")
]
REPORTS = Path("reports")


def _complete_scenario(incomplete: str) -> list[str]:
    from lab.catalog import scenario_names

    return [name for name in scenario_names() if name.startswith(incomplete)]


Names = Annotated[
    list[str], typer.Argument(help="Scenario names or files.", autocompletion=_complete_scenario)
]
Name = Annotated[str, typer.Argument(help="A scenario name or file.", autocompletion=_complete_scenario)]


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


@app.command()
@guarded
def run(
    names: Names,
    fix: Annotated[str | None, typer.Option(help="none, all, or names; documented ones by default.")] = None,
    stack: StackName = "auto",
    out: Out = REPORTS,
    seed: Seed = None,
    rate: Annotated[
        float | None, typer.Option(help="Requests a second; `expect` is then not judged.")
    ] = None,
    locustfile: Annotated[
        Path | None,
        typer.Option(help="Journeys of this file in place of the requests; `expect` is then not judged."),
    ] = None,
    budget: Annotated[str | None, typer.Option(help="End at the last look within, for example 5m.")] = None,
    workers: Annotated[int, typer.Option(help="Share the load among processes of this machine.")] = 0,
    join: Annotated[int, typer.Option(help="Wait for workers from elsewhere; see `lab worker`.")] = 0,
    bind: Annotated[str, typer.Option(help="Where they can join, HOST:PORT.")] = "127.0.0.1:0",
    no_control: Annotated[bool, typer.Option("--no-control", help="Leave out the placebo arm.")] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Refuse where another run is measuring.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going/-x", help="Go on to the next scenario after a failure.")
    ] = True,
    report: Annotated[str, typer.Option(help="html, json, junit, md, github.")] = "html,json,junit,md",
    inconclusive: Annotated[str, typer.Option(help="In JUnit: error or skip.")] = "error",
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    color: Color = "auto",
) -> None:
    """Reproduce a problem, measure its fixes, say what holds."""
    from lab.cli.run import Asked, run_all
    from lab.model.load import Sharing

    asked = Asked(
        names=tuple(names),
        fix=fix,
        stack=stack,
        out=out,
        seed=seed,
        rate=rate,
        locustfile=locustfile,
        budget=budget,
        control=not no_control,
        sharing=Sharing(workers=workers, join=join, bind=bind),
        wait=not no_wait,
        keep_going=keep_going,
        formats=report,
        inconclusive=inconclusive,
        json=json,
        quiet=quiet,
        verbose=verbose,
        color=color,
    )
    if dry_run:
        from lab.cli.look import show_plans

        show_plans(asked)
        return
    raise typer.Exit(int(run_all(asked)))


@app.command()
@guarded
def worker(
    master: Annotated[str, typer.Option(help="Where `lab run --join` listens, HOST:PORT.")],
    wait: Annotated[str, typer.Option(help="How long the master has to answer.")] = "60s",
) -> None:
    """Make a part of the requests of a run on another machine; ends with the run, or by Ctrl-C."""
    from lab.cli.worker import work

    work(master, wait)


@app.command()
@guarded
def plan(
    name: Name,
    fix: Annotated[str | None, typer.Option(help="none, all, or names.")] = None,
    stack: StackName = "auto",
    seed: Seed = None,
    no_control: Annotated[bool, typer.Option("--no-control", help="Leave out the placebo arm.")] = False,
    json: Json = False,
) -> None:
    """The arms, blocks, order and minutes of a run, before anything starts."""
    from lab.cli.look import show_plans
    from lab.cli.run import Asked

    show_plans(Asked(names=(name,), fix=fix, stack=stack, seed=seed, control=not no_control, json=json))


@app.command("list")
@guarded
def list_(
    what: Annotated[str, typer.Argument(help="scenarios, faults, fixes, probes or stacks.")] = "scenarios",
    json: Json = False,
) -> None:
    """What there is, a line each."""
    from lab.cli.look import show_list

    show_list(what, json=json)


@app.command()
@guarded
def show(name: Name) -> None:
    """One scenario, fault, fix, probe or stack with its documentation."""
    from lab.cli.look import show_one

    show_one(name)


@app.command()
@guarded
def check(files: Annotated[list[Path], typer.Argument(help="Scenario files.")], json: Json = False) -> None:
    """Find every mistake in scenario files, with file, line and column."""
    from lab.cli.look import check_files

    raise typer.Exit(int(check_files(files, json=json)))


@app.command()
@guarded
def schema(
    what: Annotated[str, typer.Argument(help="scenario or report.")] = "scenario",
) -> None:
    """The JSON Schema of a scenario file (for editors) or of report.json."""
    from lab.cli.look import show_schema

    show_schema(what)


@app.command()
@guarded
def judge(name: RunName = None, out: Out = REPORTS, json: Json = False) -> None:
    """Judge a run again from its plan and blocks: no stack, no load, the same bytes each time."""
    from lab.cli.results import judge_again

    raise typer.Exit(int(judge_again(out, name, json=json)))


@app.command()
@guarded
def report(
    name: RunName = None,
    out: Out = REPORTS,
    formats: Annotated[
        str, typer.Option("--report", help="html, json, junit, md, github.")
    ] = "html,json,junit,md",
    inconclusive: Annotated[str, typer.Option(help="In JUnit: error or skip.")] = "error",
    json: Json = False,
) -> None:
    """Write a run's reports again from its folder."""
    from lab.cli.results import report_again

    report_again(out, name, formats, inconclusive=inconclusive, json=json)


@app.command("open")
@guarded
def open_(name: RunName = None, out: Out = REPORTS) -> None:
    """Open a run's HTML report in a browser."""
    from lab.cli.results import open_report

    open_report(out, name)


@app.command()
@guarded
def doctor(out: Out = REPORTS, json: Json = False) -> None:
    """Is this machine fit: servers, Docker, disk, limits, noise?"""
    from lab.cli.doctor import examine

    raise typer.Exit(int(examine(out, json=json)))


@app.command()
@guarded
def clean(
    out: Out = REPORTS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed.")] = False,
) -> None:
    """Remove what a killed run left behind: processes, containers, networks, folders."""
    from lab.cli.leftovers import clean_up

    clean_up(out, dry_run=dry_run)


@app.command()
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


@app.command()
@guarded
def down(out: Out = REPORTS) -> None:
    """Stop what `lab up` started."""
    from lab.cli.by_hand import stop

    stop(out)


@app.command("locustfile")
@guarded
def locustfile_() -> None:
    """Where the load driver's own locustfile lies: locust -f "$(lab locustfile)" --host http://..."""
    from importlib.util import find_spec

    spec = find_spec(
        "lab.driver.locustfile"
    )  # found, not imported: Locust patches the process that imports it
    assert spec is not None and spec.origin is not None
    typer.echo(spec.origin)


def _command_names() -> list[str]:
    return [str(c.name or getattr(c.callback, "__name__", "")) for c in app.registered_commands]


def main() -> None:
    """Entry point of the ``lab`` command."""
    on_terminate()
    try:
        settings = defaults(Path("lab.toml"), _command_names())
    except ValueError as error:
        sys.stderr.write(f"lab: {error}\n")
        sys.exit(2)
    app(default_map=settings)
