"""Every fault on each stack: what it was asked to do, what it was measured to do, and whether it healed."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from itertools import groupby
from statistics import median

from parts.doses import EXAMPLES, Trial, kinds_without_example, trials
from parts.findings import Cell, Findings, Goal, Table, as_json, as_text, say

from lab import catalog
from lab.errors import Exit, LabError
from lab.report.doses import in_words


def main() -> int:
    parser = argparse.ArgumentParser(prog="fault_doses", description=__doc__)
    parser.add_argument("--stack", nargs="+", choices=("embedded", "containers"), default=["embedded"])
    parser.add_argument("--rounds", type=int, default=3, help="of all faults (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    given = parser.parse_args()
    begun, found = time.monotonic(), {}
    try:
        for stack in given.stack:
            found[stack] = measured(stack, given.rounds)
    except LabError as error:
        say(str(error))
        return error.exit
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    told = findings(found)
    if given.json:
        print(json.dumps(as_json("fault_doses", told, given.rounds, False, time.monotonic() - begun)))
    else:
        print(as_text(told))
    return Exit.REFUTED if any(goal.met is False for goal in told.goals) else Exit.OK


def measured(stack: str, rounds: int) -> list[list[Trial]]:
    """The trials of each example, in the order of the examples."""
    plugin = catalog.stacks()[stack]()
    by_example: list[list[Trial]] = [[] for _ in EXAMPLES]
    for turn in range(rounds):
        for n, trial in enumerate(trials(plugin)):
            by_example[n].append(trial)
            said = trial.refused or "; ".join(map(in_words, trial.doses))
            mark = "" if trial.bit else "DID NOT BITE "
            mark += "STILL THERE " if trial.healed is False else ""
            say(f"{stack} {turn + 1}/{rounds} {trial.kind} on {trial.target}: {mark}{said}")
    return by_example


def findings(found: dict[str, list[list[Trial]]]) -> Findings:
    """A table for each stack, and three goals over all."""
    every = [trial for examples in found.values() for tries in examples for trial in tries]
    done = [trial for trial in every if not trial.refused]
    healing = [trial for trial in done if trial.healed is not None]
    left_out = kinds_without_example(list(catalog.kinds().faults))
    return Findings(
        tables=[
            Table(
                title=f"Asked and delivered, {stack}",
                columns=("fault", "target", "effect", "unit", "asked", "delivered", "bit", "healed"),
                rows=[row for tries in examples for row in _rows(tries)],
            )
            for stack, examples in found.items()
        ],
        goals=[
            _all("faults that bit", sum(trial.bit for trial in done), len(done)),
            _all("faults gone after their undo", sum(bool(t.healed) for t in healing), len(healing)),
            _all("faults that could be done", len(done), len(every)),
            Goal(
                goal="kinds without an example",
                bar="none",
                found=", ".join(left_out) or "none",
                met=not left_out,
            ),
        ],
        notes=[f"{trial.kind} on {trial.target}: {trial.refused}" for trial in every if trial.refused],
    )


def _all(goal: str, hits: int, of: int) -> Goal:
    return Goal(goal=goal, bar="all", found=f"{hits} of {of}", met=hits == of if of else None)


def _rows(tries: Sequence[Trial]) -> list[tuple[Cell, ...]]:
    done = [trial for trial in tries if not trial.refused]
    if not done:
        return [(tries[0].kind, tries[0].target, "refused", "", None, None, f"0 of {len(tries)}", "")]
    healing = [trial for trial in done if trial.healed is not None]
    healed = f"{sum(bool(t.healed) for t in healing)} of {len(healing)}" if healing else "by itself"
    bit = f"{sum(trial.bit for trial in done)} of {len(tries)}"
    doses = sorted((dose for trial in done for dose in trial.doses), key=lambda dose: dose.what)
    rows: list[tuple[Cell, ...]] = []
    for what, same in groupby(doses, key=lambda dose: dose.what):
        kept = list(same)
        known = [dose.delivered for dose in kept if dose.delivered is not None]
        asked = {"exactly": "", "at-least": "≥ ", "at-most": "≤ "}[kept[0].counts] + f"{kept[0].asked:.4g}"
        delivered = round(median(known), 4) if known else None
        rows.append((tries[0].kind, tries[0].target, what, kept[0].unit, asked, delivered, bit, healed))
    return rows


if __name__ == "__main__":
    sys.exit(main())
