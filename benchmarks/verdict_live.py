"""Live controls on real servers, as many as asked: placebos that must not be RESOLVED, perfect fixes that must."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from parts.findings import Cell, Findings, Goal, Table, as_json, as_text, say
from parts.live import KINDS, Kind, Line, append, name_of, read_lines, run_once, tally

from lab.errors import Exit, LabError
from lab.verdict.tally import CONFIDENCE

MOST_WITHOUT = 3  # runs in a row that came to no judgement, before the program gives up
ENOUGH_PERFECT = 0.95
COLUMNS = (
    "control",
    "scenario",
    "runs",
    "judged",
    "wrong",
    "below",
    "resolved",
    "improved",
    "void or open",
    "load s",
    "wall s",
)


def main(words: Sequence[str] | None = None) -> int:
    """Exit code: 0 all goals met, 1 one missed, else an error's."""
    given = _options(words)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    begun = time.monotonic()
    code, stopped = Exit.OK, ""
    try:
        lines = read_lines(given.resume)
        _run(given, lines)
    except LabError as error:
        print(error, file=sys.stderr)
        code, stopped = error.exit, error.what
    except KeyboardInterrupt:
        code, stopped = Exit.INTERRUPTED, "interrupted"
        say("stopped; the same command goes on from here")
    try:
        found = findings(read_lines(given.resume), stopped)
    except LabError:
        return code
    if given.json:
        seconds = time.monotonic() - begun
        print(json.dumps(as_json("verdict_live", found, given.runs, False, seconds)))
    else:
        print(as_text(found))
    missed = any(goal.met is False for goal in found.goals)
    return code if code is not Exit.OK else Exit.REFUTED if missed else Exit.OK


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="verdict_live", description=__doc__)
    parser.add_argument("--scenario", nargs="+", required=True, metavar="NAME", help="scenarios, in turn")
    parser.add_argument("--runs", type=int, required=True, help="runs of each scenario, those done included")
    parser.add_argument(
        "--kind",
        choices=KINDS,
        default="plain",
        help="plain: the placebo arms of ordinary runs; placebo, perfect: that in the place of the fix",
    )
    parser.add_argument(
        "--resume", type=Path, required=True, metavar="FILE", help="one line a run is added here"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the first run; each next one is 1 higher")
    parser.add_argument("--lab", default=_lab(), help="the command (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("more", nargs="*", metavar="-- OPTION", help="options for every run, after --")
    given = parser.parse_args(words)
    if given.runs < 0:
        parser.error("--runs must be 0 or more")
    return given


def _lab() -> str:
    """The command beside this Python, else the one on the path."""
    beside = Path(sys.executable).parent / "lab"
    return shlex.quote(str(beside)) if os.access(beside, os.X_OK) else "lab"


def _run(given: argparse.Namespace, lines: Sequence[Line]) -> None:
    """All runs that the file does not hold yet."""
    todo = list(_todo(given, {line.key for line in lines}))
    lab, without = shlex.split(given.lab), 0
    for n, (scenario, kind, seed) in enumerate(todo, 1):
        say(f"{n}/{len(todo)}: {scenario}, {kind}, seed {seed}")
        line = run_once(lab, scenario, kind, seed, given.more)
        append(given.resume, line)
        say(f"  {_told(line)} in {line.seconds:.0f} s")
        without = 0 if line.controls else without + 1
        if without == MOST_WITHOUT:
            raise LabError(
                f"{without} runs in a row came to no judgement",
                where=scenario,
                do="run the scenario by hand and see why",
                exit=Exit.VOID,
            )


def _todo(given: argparse.Namespace, done: set[tuple[str, Kind, int]]) -> Iterator[tuple[str, Kind, int]]:
    """Scenarios in turn, so that what is done is even wherever the program is stopped."""
    for n in range(given.runs):
        for scenario in given.scenario:
            key = (scenario, given.kind, given.seed + n)
            if key not in done:
                yield key


def _told(line: Line) -> str:
    states = [f"{one.fix} {one.state.upper()}" for one in line.controls]
    return ", ".join(states) or f"no judgement, exit {line.exit}"


def findings(lines: Sequence[Line], stopped: str = "") -> Findings:
    """What all runs of the file say: a row for each control and scenario, then each control overall."""
    found = Findings(
        notes=[f"below: the share of wrong verdicts that this excludes, {CONFIDENCE:.0%} confident"]
    )
    rows: list[tuple[Cell, ...]] = []
    for kind in KINDS:
        of_kind = [line for line in lines if line.kind == kind]
        names = sorted({line.scenario for line in of_kind})
        rows += [_row(kind, name, [one for one in of_kind if one.scenario == name]) for name in names]
        rows += [_row(kind, "all", of_kind)] if len(names) > 1 else []
    found.tables = [Table(title="Live controls", columns=COLUMNS, rows=rows)]
    found.goals = [*_placebo_goal(lines), *_perfect_goal(lines)]
    found.notes += [f"not finished: {stopped}"] if stopped else []
    return found


def _row(kind: Kind, scenario: str, lines: Sequence[Line]) -> tuple[Cell, ...]:
    counted = tally(lines)
    controls = [one for line in lines for one in line.controls]
    states = Counter(one.state for line in lines for one in line.judged)
    loads = [line.load_s for line in lines if line.load_s is not None]
    return (
        name_of(kind),
        scenario,
        len(lines),
        counted.n,
        counted.k,
        f"{counted.below():.1%}",
        states["resolved"],
        states["improved"],
        len(controls) - counted.n,
        median(loads) if loads else None,
        median(line.seconds for line in lines),
    )


def _placebo_goal(lines: Sequence[Line]) -> list[Goal]:
    placebos = tally(line for line in lines if line.kind != "perfect")
    found = f"{placebos.k} of {placebos.n}: below {placebos.below():.1%}"
    met = placebos.k == 0 if placebos.n else None
    return [Goal(goal="placebos called RESOLVED", bar="none", found=found, met=met)]


def _perfect_goal(lines: Sequence[Line]) -> list[Goal]:
    perfect = tally(line for line in lines if line.kind == "perfect")
    if not perfect.n:
        return []
    well = perfect.n - perfect.k
    return [
        Goal(
            goal="perfect fixes called RESOLVED",
            bar=f"at least {ENOUGH_PERFECT:.0%}",
            found=f"{well} of {perfect.n}",
            met=well >= ENOUGH_PERFECT * perfect.n,
        )
    ]


if __name__ == "__main__":
    sys.exit(main())
