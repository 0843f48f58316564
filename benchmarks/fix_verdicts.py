"""What came of every fix: the run folders of several ``lab verify``, side by side, as a page of Markdown."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.catalog import load_scenario
from lab.errors import Exit, LabError
from lab.model.run import Judgement, Verdict
from lab.model.scenario import FixUse, Scenario
from lab.report import words
from lab.store import RunFolder

HEAD = """# What came of the fixes

Each column is one `lab verify`: every problem reproduced anew, each fix beside the problem, a placebo beside both. The
effect is that of the first column that decided, on the measure that shows the cause, with its interval.
"""
UNDECIDED = ("inconclusive", "void", "not-reproduced")


@dataclass(frozen=True, kw_only=True)
class Ran:
    """One run as its folder tells it; ``where`` is its stack and seed, the head of its column."""

    scenario: str
    where: str
    seconds: float
    judgement: Judgement

    def verdict(self, fix: str) -> Verdict | None:
        return next((found for found in self.judgement.verdicts if found.fix == fix), None)

    def state(self, fix: str) -> str:
        if self.judgement.void:
            return "VOID"
        found = self.verdict(fix)
        return words.STATES[found.state] if found else ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="fix_verdicts", description=__doc__)
    parser.add_argument(
        "folders", nargs="+", type=Path, help="each holds the run folders of lab verify --out"
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="in place of standard output")
    given = parser.parse_args()
    try:
        page = "\n".join(lines(runs_in(given.folders)))
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit
    if given.write is None:
        sys.stdout.write(page + "\n")
    else:
        given.write.write_text(page + "\n", encoding="utf-8")
    return Exit.OK


def runs_in(folders: Sequence[Path]) -> list[Ran]:
    """The judged runs below the folders, oldest first in each. LabError where there is none."""
    plans = [plan.parent for folder in folders for plan in sorted(folder.glob("**/plan.json"))]
    found = [_ran(RunFolder(path)) for path in plans if (path / "verdict.json").exists()]
    if not found:
        raise LabError(
            "no run to tell of",
            where=", ".join(map(str, folders)),
            why="none of the folders below has a verdict.json",
            do="lab verify --out FOLDER, and name that folder",
        )
    return found


def _ran(folder: RunFolder) -> Ran:
    info, judgement = folder.read_run(), folder.read_judgement()
    assert judgement is not None  # asked by runs_in
    where = f"{info.stack}, seed {judgement.seed}"
    return Ran(scenario=judgement.scenario, where=where, seconds=info.wall_s, judgement=judgement)


def lines(runs: Sequence[Ran]) -> Iterator[str]:
    """The page: a table of the guide's problems, one of those beyond it, and what was refuted and why."""
    heads = list(dict.fromkeys(run.where for run in runs))
    table = {(run.scenario, run.where): run for run in runs}  # the newest, where a run was made again
    scenarios = {name: load_scenario(name) for name in sorted({run.scenario for run in runs})}
    yield HEAD
    beyond = {name for name, one in scenarios.items() if one.prose.guide.startswith("Beyond")}
    for title, names in (("The guide", set(scenarios) - beyond), ("Beyond the guide", beyond)):
        if names:
            yield f"## {title}\n"
            yield from _table([scenarios[name] for name in sorted(names)], heads, table)
            yield ""
    yield from _refuted(scenarios.values(), runs)


Table = Mapping[tuple[str, str], Ran]


def _table(scenarios: Sequence[Scenario], heads: Sequence[str], table: Table) -> Iterator[str]:
    columns = ("problem", "fix", *heads, "effect")
    yield "| " + " | ".join(columns) + " |"
    yield "| " + " | ".join("---" for _ in columns) + " |"
    for scenario in scenarios:
        each = [table.get((scenario.slug, head)) for head in heads]
        for fix in (name for name in scenario.fixes if any(run and run.verdict(name) for run in each)):
            states = [run.state(fix) if run else "" for run in each]
            cells = (scenario.slug, fix, *states, _effect([run for run in each if run], fix))
            yield "| " + " | ".join(cells) + " |"
    yield ""
    took = (f"{head}: {sum(_seconds(scenarios, head, table)) / 60:.0f} minutes" for head in heads)
    yield f"Time for these {len(scenarios)}: {', '.join(took)}."


def _seconds(scenarios: Sequence[Scenario], head: str, table: Table) -> Iterator[float]:
    yield from (run.seconds for one in scenarios if (run := table.get((one.slug, head))))


def _effect(runs: Sequence[Ran], fix: str) -> str:
    verdicts = [found for run in runs if (found := run.verdict(fix)) is not None and not run.judgement.void]
    decided = [found for found in verdicts if found.state not in UNDECIDED] or verdicts
    return words.effect(decided[0]) if decided else ""


def _refuted(scenarios: Iterable[Scenario], runs: Sequence[Ran]) -> Iterator[str]:
    yield "## Documented fixes that the measurements refute\n"
    for scenario in scenarios:
        for name, fix in scenario.fixes.items():
            if fix.documented and "resolved" not in fix.expect:
                states = dict.fromkeys(run.state(name) for run in runs if run.scenario == scenario.slug)
                yield f"- **{scenario.slug}, {name}**: {' or '.join(states)}. {fix.expect_reason} {_instead(scenario)}"


def _instead(scenario: Scenario) -> str:
    """The other fixes, of which the scenario says that they resolve it."""
    others = [name for name, fix in scenario.fixes.items() if _resolves(fix)]
    return f"What does resolve it: {', '.join(others)}." if others else ""


def _resolves(fix: FixUse) -> bool:
    return fix.expect == ("resolved",)


if __name__ == "__main__":
    raise SystemExit(main())
