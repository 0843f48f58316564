"""Commands that make runs, or plan them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab.cli.guard import guarded
from lab.cli.options import (
    ALL_FORMATS,
    REPORTS,
    AllowHost,
    AnyNames,
    Calm,
    Color,
    Formats,
    Inconclusive,
    Json,
    KeepGoing,
    LinkUrl,
    Name,
    Names,
    NoControl,
    NoWait,
    Out,
    Quiet,
    Seed,
    StackName,
    Strict,
    Verbose,
)


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
    allow_host: AllowHost = None,
    link: LinkUrl = "",
    no_control: NoControl = False,
    strict: Strict = False,
    calm: Calm = False,
    no_wait: NoWait = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    keep_going: KeepGoing = True,
    report: Formats = ALL_FORMATS,
    inconclusive: Inconclusive = "error",
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
        strict=strict,
        calm=calm,
        sharing=Sharing(workers=workers, join=join, bind=bind),
        allow=tuple(allow_host or ()),
        link=link,
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


@guarded
def verify(
    names: AnyNames = None,
    placebo: Annotated[
        bool, typer.Option("--placebo", help="A placebo in the place of the fix: must not end RESOLVED.")
    ] = False,
    perfect: Annotated[
        bool, typer.Option("--perfect", help="No fault in the place of the fix: must end RESOLVED.")
    ] = False,
    quick: Annotated[bool, typer.Option("--quick", help="One fix of each scenario.")] = False,
    changed_since: Annotated[
        str | None, typer.Option(help="Only what a change since this commit touches.", metavar="REF")
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="So many scenarios, others with each commit; what changed comes first."),
    ] = None,
    controls: Annotated[
        bool, typer.Option("--controls", help="The controls: what they come to is known beforehand.")
    ] = False,
    stack: StackName = "auto",
    out: Out = REPORTS,
    seed: Seed = None,
    allow_host: AllowHost = None,
    link: LinkUrl = "",
    strict: Strict = False,
    calm: Calm = False,
    no_wait: NoWait = False,
    keep_going: KeepGoing = True,
    report: Formats = ALL_FORMATS,
    inconclusive: Inconclusive = "error",
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    color: Color = "auto",
) -> None:
    """Measure every documented fix of all scenarios, or a control in its place."""
    from lab.cli.run import Asked
    from lab.cli.verify import chosen_control, chosen_names
    from lab.cli.verify import verify as verify_all

    asked = Asked(
        names=chosen_names(names or (), controls=controls, changed_since=changed_since, sample=sample),
        fix="first" if quick else None,
        control_as_fix=chosen_control(placebo=placebo, perfect=perfect),
        stack=stack,
        out=out,
        seed=seed,
        allow=tuple(allow_host or ()),
        link=link,
        strict=strict,
        calm=calm,
        wait=not no_wait,
        keep_going=keep_going,
        formats=report,
        inconclusive=inconclusive,
        json=json,
        quiet=quiet,
        verbose=verbose,
        color=color,
    )
    raise typer.Exit(int(verify_all(asked)))


@guarded
def worker(
    master: Annotated[str, typer.Option(help="Where `lab run --join` listens, HOST:PORT.")],
    wait: Annotated[str, typer.Option(help="How long the master has to answer.")] = "60s",
    allow_host: AllowHost = None,
) -> None:
    """Make a part of the requests of a run on another machine; ends with the run, or by Ctrl-C."""
    from lab.cli.worker import work

    work(master, wait, allow_host or ())


@guarded
def plan(
    name: Name,
    fix: Annotated[str | None, typer.Option(help="none, all, or names.")] = None,
    stack: StackName = "auto",
    seed: Seed = None,
    link: LinkUrl = "",
    no_control: NoControl = False,
    strict: Strict = False,
    json: Json = False,
) -> None:
    """The arms, blocks, order and minutes of a run, before anything starts."""
    from lab.cli.look import show_plans
    from lab.cli.run import Asked

    asked = Asked(
        names=(name,),
        fix=fix,
        stack=stack,
        seed=seed,
        link=link,
        control=not no_control,
        strict=strict,
        json=json,
    )
    show_plans(asked)
