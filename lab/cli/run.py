"""``lab run``: from names to finished runs, reports and one exit code."""

from __future__ import annotations

import json
import secrets
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.catalog import kinds, load_scenario, stacks
from lab.cli.display import display_for
from lab.cli.guard import tell
from lab.cli.hosts import allowed
from lab.cli.journeys import check_journeys, with_journeys
from lab.cli.leftovers import clean_before
from lab.cli.links import lacks_with
from lab.cli.sources import fix_sources
from lab.cli.stacks import choose_stack
from lab.cli.typed import on_inconclusive, refuse_impossible, seconds_of
from lab.errors import Exit, LabError, worst
from lab.model.costs import on_a_calm_day
from lab.model.load import ALONE, Sharing
from lab.model.measures import measure_specs
from lab.model.run import Control
from lab.model.scenario import Scenario
from lab.plan import Choice, choose_fixes, linked_services, make_plan, refuse_unmet_needs

if TYPE_CHECKING:
    from lab.model.report import Report
    from lab.model.run import Plan
    from lab.model.stack import Stack
    from lab.report.junit import OnInconclusive
    from lab.runner import Finished

REPEATABLE_BITS = 32


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the person typed."""

    names: tuple[str, ...]
    fix: str | None = None
    stack: str = "auto"
    out: Path = Path("reports")
    seed: int | None = None
    rate: float | None = None
    locustfile: Path | None = None
    budget: str | None = None
    control: bool = True
    control_as_fix: Control | None = None
    strict: bool = False
    calm: bool = False
    sharing: Sharing = ALONE
    allow: tuple[str, ...] = ()
    link: str = ""
    wait: bool = True
    keep_going: bool = True
    formats: str = "html,json,junit,md"
    inconclusive: str = "error"
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    color: str = "auto"


def plans(asked: Asked, stack: Stack) -> Iterator[tuple[Scenario, Plan]]:
    """Each scenario with its plan; every name is resolved before the first run starts."""
    known = kinds()
    if asked.calm and asked.control_as_fix is not None:
        raise LabError(
            "a calm run judges nothing, so it has no control",
            where=f"--calm, --{asked.control_as_fix}",
            do="leave one of them out",
        )
    scenarios = [with_journeys(load_scenario(name), asked.locustfile) for name in asked.names]
    if asked.calm:
        scenarios = [on_a_calm_day(scenario, known) for scenario in scenarios]
    for scenario in scenarios:
        check_journeys(scenario)
    for scenario in scenarios:
        fixes = choose_fixes(scenario, asked.fix)
        refuse_unmet_needs(
            scenario, fixes, stack.kind, stack.offers, lacks_with(stack, asked.link), others_than(stack)
        )
        linked_services(scenario)
        choice = Choice(
            fixes=fixes,
            seed=secrets.randbits(REPEATABLE_BITS) if asked.seed is None else asked.seed,
            stack=stack.kind,
            control=asked.control,
            rate=asked.rate,
            control_as_fix=asked.control_as_fix,
            strict=asked.strict,
            calm=asked.calm,
        )
        yield scenario, make_plan(scenario, choice, measure_specs(scenario, known))


def others_than(stack: Stack) -> dict[str, frozenset[str]]:
    """What the other stacks offer, by name."""
    return {name: plugin.offers for name, plugin in stacks().items() if name != stack.kind}


@dataclass
class Ran:
    """The runs of one command: their reports and their exit codes, in the same order."""

    reports: list[Report]
    codes: list[Exit]

    @property
    def exit(self) -> Exit:
        return worst(self.codes)


def run_all(asked: Asked) -> Exit:
    """Run every scenario, write its reports, print the result. Returns the worst exit code."""
    ran = perform(asked)
    if asked.json:
        _print_json(ran.reports, ran.exit)
    return ran.exit


def perform(asked: Asked) -> Ran:
    """Run every scenario, write its reports, and print the end of each unless all is to be one JSON object."""
    from lab.report import formats_of, terminal
    from lab.report.github import as_annotations
    from lab.runner import Request, run

    refuse_impossible(asked.sharing, len(asked.names))
    allow = allowed(asked.allow)
    formats = formats_of(asked.formats)
    inconclusive = on_inconclusive(asked.inconclusive)
    budget_s = seconds_of(asked.budget)
    stack, why = choose_stack(asked.stack)
    display = display_for(quiet=asked.quiet or asked.json, verbose=asked.verbose, color=asked.color)
    ran = Ran([], [])
    clean_before(asked.out)
    for scenario, plan in list(plans(asked, stack)):
        request = Request(
            scenario=scenario,
            plan=plan,
            stack=stack,
            kinds=kinds(),
            out=asked.out,
            again=again(asked, scenario, plan),
            budget_s=budget_s,
            wait=asked.wait,
            sharing=asked.sharing,
            allow=allow,
            link_url=asked.link,
            judged=asked.rate is None and asked.locustfile is None,
        )
        with display.of(scenario.slug, why):
            finished = run(request, display)
        ran.codes.append(finished.exit)
        ran.reports.append(_write(finished, scenario, formats, inconclusive))
        if not asked.json:
            sys.stdout.write(terminal.ending(ran.reports[-1]) + "\n")
            if asked.verbose and ran.reports[-1].judgement.verdicts:
                sys.stdout.write(terminal.explained(ran.reports[-1]) + "\n")
            if "github" in formats:
                sys.stdout.write(as_annotations(ran.reports[-1]))
        if _interrupted(finished) or (finished.exit is not Exit.OK and not asked.keep_going):
            break
    return ran


def _interrupted(finished: Finished) -> bool:
    """Say what stopped a run early; True where that was the person."""
    if isinstance(finished.stopped, LabError):
        tell(finished.stopped)
        return False
    if finished.stopped is not None:
        sys.stderr.write(f"lab: interrupted; a partial report is in {finished.folder.path}\n")
    return finished.stopped is not None


def _write(
    finished: Finished, scenario: Scenario, formats: frozenset[str], inconclusive: OnInconclusive
) -> Report:
    from lab.report import build, write

    report = build(finished.folder, scenario, fix_sources(scenario))
    write(report, finished.folder, formats, inconclusive=inconclusive)
    return report


def _print_json(reports: list[Report], code: Exit) -> None:
    from lab.report import machine

    found = machine.as_json(reports[0]) if len(reports) == 1 else machine.several(reports, int(code))
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


def again(asked: Asked, scenario: Scenario, plan: Plan) -> str:
    """The command that makes the same experiment once more."""
    name = next(n for n in asked.names if Path(n).stem == scenario.slug)
    if asked.control_as_fix is None:
        words = ["lab", "run", name, "--seed", str(plan.seed)]
    else:
        words = ["lab", "verify", name, f"--{asked.control_as_fix}", "--seed", str(plan.seed)]
    if asked.fix:
        words += ["--fix", asked.fix]
    if asked.calm:
        words.append("--calm")
    if asked.strict:
        words.append("--strict")
    if asked.rate:
        words += ["--rate", f"{asked.rate:g}"]
    if asked.locustfile:
        words += ["--locustfile", str(asked.locustfile)]
    if asked.sharing.workers:
        words += ["--workers", str(asked.sharing.workers)]
    if asked.sharing.join:
        words += ["--join", str(asked.sharing.join), "--bind", asked.sharing.bind]
    for host in asked.allow:
        words += ["--allow-host", host]
    if asked.link:
        words += ["--link", asked.link]
    return shlex.join([*words, "--stack", plan.stack])
