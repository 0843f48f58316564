"""Does a verdict depend on how much is asked: scenarios at half, at all and at twice their rate, same seed."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from parts.findings import Findings, Goal, Table, as_json, as_text, say

from lab.catalog import load_scenario
from lab.errors import Exit, LabError

FIVE = ("stampede", "missing-index", "lock-contention", "uneven-load", "stale-cache")
FACTORS = (0.5, 1.0, 2.0)
UNDECIDED = frozenset({"inconclusive", "void", "not-reproduced"})


def main() -> int:
    parser = argparse.ArgumentParser(prog="rate_change", description=__doc__)
    parser.add_argument("names", nargs="*", default=FIVE, help="scenarios that have one rate")
    parser.add_argument("--fix", default="all", help="as of lab run (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stack", choices=("embedded", "containers"), default="embedded")
    parser.add_argument("--out", type=Path, default=Path("reports"), help="folder of the run folders")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    given = parser.parse_args()
    begun = time.monotonic()
    try:
        states = {name: at_rates(name, given) for name in given.names}
    except LabError as error:
        say(str(error))
        return error.exit
    found = findings(states)
    if given.json:
        print(json.dumps(as_json("rate_change", found, 1, False, time.monotonic() - begun)))
    else:
        print(as_text(found))
    return Exit.REFUTED if any(goal.met is False for goal in found.goals) else Exit.OK


def at_rates(name: str, given: argparse.Namespace) -> list[dict[str, str]]:
    """For each factor: the state of the problem and of each fix and the placebo, by name.

    LabError where the scenario has no rate of its own, or a run gave no report.
    """
    load = load_scenario(name).load
    if load.stages or not load.rate:
        raise LabError(
            f"{name} has no rate to change",
            where=f"scenario {name}",
            why="its load has stages, users or a locustfile",
            do=f"name others: {', '.join(FIVE)} have one",
        )
    words = ["--fix", given.fix, "--seed", str(given.seed), "--stack", given.stack, "--out", str(given.out)]
    return [states_of(name, [*words, "--rate", f"{load.rate * factor:g}"]) for factor in FACTORS]


def states_of(name: str, words: Sequence[str]) -> dict[str, str]:
    told = subprocess.run(
        [sys.executable, "-m", "lab", "run", name, "--json", "--quiet", *words],
        stdout=subprocess.PIPE,
        check=False,
    )
    if not told.stdout.strip():
        raise LabError(
            f"the run of {name} gave no report",
            where=" ".join(words),
            why=f"it ended with exit code {told.returncode}, and said so above",
            do=f"lab run {name} {' '.join(words)}",
        )
    report: dict[str, Any] = json.loads(told.stdout)
    states = {
        verdict["fix"]: "void" if report["void"] else verdict["state"] for verdict in report["verdicts"]
    }
    say(f"{name} {words[-1]}/s: {states}, {report['wall_s']:.0f} s")
    return states


def findings(states: Mapping[str, Sequence[Mapping[str, str]]]) -> Findings:
    rows = list(rows_of(states))
    turned = [f"{row[0]} {row[1]}" for row in rows if turned_round(row[2:])]
    decided = sum(state not in UNDECIDED for row in rows for state in row[2:])
    return Findings(
        tables=[Table(title="Verdicts", columns=("scenario", "fix", "half", "all", "twice"), rows=rows)],
        goals=[
            Goal(
                goal="no verdict turns round with the rate",
                bar="0",
                found=", ".join(turned) or f"0 ({decided} of {3 * len(rows)} decided)",
                met=not turned,
            )
        ],
    )


def rows_of(states: Mapping[str, Sequence[Mapping[str, str]]]) -> Iterator[tuple[str, ...]]:
    for name, each in states.items():
        for fix in each[1]:
            yield name, fix, *(one.get(fix, "void") for one in each)


def turned_round(states: Sequence[str]) -> bool:
    """One rate says that the fix resolves the problem, another that it does not.

    That a machine could not tell, or that a rate is too low for the problem, turns nothing round.
    """
    decided = {state for state in states if state not in UNDECIDED}
    return "resolved" in decided and len(decided) > 1


if __name__ == "__main__":
    raise SystemExit(main())
