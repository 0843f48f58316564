"""How often the judge is wrong on recorded blocks: real series, relabelled thousands of times and judged again."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from parts.cases import Case, Truth, cases, load, most
from parts.findings import Cell, Findings, Goal, Table, as_json, as_text, say
from parts.replay import ALPHA, Told
from parts.series import record

from lab.errors import Exit, LabError

RUNS, QUICK = 4000, 400
STATES = ("resolved", "improved", "not-resolved", "regressed", "inconclusive", "not-reproduced", "void")

Done = Sequence[tuple[Case, Told]]


def main(words: Sequence[str] | None = None) -> int:
    """Exit code: 0 all goals met, 1 one missed, else an error's."""
    parser = argparse.ArgumentParser(prog="verdict_replay", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--runs", type=int, default=RUNS, help="relabellings a row (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} relabellings a row: a look, no result")
    parser.add_argument(
        "--record", nargs="+", type=Path, metavar="RUN", help="print the series file of run folders and stop"
    )
    parser.add_argument("--about", default="", help="with --record: what machine it was")
    parser.add_argument("--made-by", default="", help="with --record: the command of one run")
    given = parser.parse_args(words)
    if given.runs < 1:
        parser.error("--runs must be 1 or more")
    begun = time.monotonic()
    runs = min(given.runs, QUICK) if given.quick else given.runs
    try:
        if given.record:
            sys.stdout.write(record(given.record, given.about, given.made_by))
            return Exit.OK
        found = measure(runs)
    except LabError as error:
        print(error, file=sys.stderr)
        return error.exit
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    if given.json:
        print(json.dumps(as_json("verdict_replay", found, runs, given.quick, time.monotonic() - begun)))
    else:
        print(as_text(found))
    return Exit.REFUTED if any(goal.met is False for goal in found.goals) else Exit.OK


def measure(runs: int) -> Findings:
    """Every case, ``runs`` relabellings each; the same seeds every time."""
    done: list[tuple[Case, Told]] = []
    for case in cases(load()):
        say(f"{case.series}: {case.what}, {runs} relabellings")
        done.append((case, case.told(range(runs))))
    return Findings(tables=[_table(done)], goals=_goals(done, runs), notes=[_note(runs)])


def _table(done: Done) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            case.series,
            case.what,
            case.truth,
            *(told.states[state] for state in STATES),
            told.most_better,
            told.blocks / told.runs,
        )
        for case, told in done
    ]
    return Table(
        title=f"What the judge said, of {done[0][1].runs} relabellings each",
        columns=("series", "what", "truth", *STATES, "better", "blocks an arm"),
        rows=rows,
    )


def _goals(done: Done, runs: int) -> list[Goal]:
    placebos = _of(done, "placebo")
    resolved = sum(told.states["resolved"] for told in placebos)
    better = max(told.most_better for told in placebos)
    edge = max(told.states["resolved"] for told in _of(done, "edge"))
    limit = most(runs)
    return [
        Goal(
            goal="placebos called RESOLVED",
            bar="none",
            found=f"{resolved} of {runs * len(placebos)}",
            met=resolved == 0,
        ),
        Goal(
            goal="placebos called better, in the worst row and measure",
            bar=f"at most {limit} of {runs}",
            found=f"{better}",
            met=better <= limit,
        ),
        Goal(
            goal="fixes at the very edge of the tolerance called RESOLVED",
            bar=f"at most {limit} of {runs}",
            found=f"{edge}",
            met=edge <= limit,
        ),
    ]


def _of(done: Done, truth: Truth) -> list[Told]:
    return [told for case, told in done if case.truth == truth]


def _note(runs: int) -> str:
    return (
        f"a claim may be wrong in {ALPHA:.2%} of runs; at that rate {most(runs)} of {runs} are exceeded once in"
        " 1000 times"
    )


if __name__ == "__main__":
    sys.exit(main())
