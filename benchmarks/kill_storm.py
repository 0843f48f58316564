"""Runs that are killed, or interrupted, at random moments: what is left of them."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from parts.findings import Findings, Goal, Table, as_json, as_text, say
from parts.storm import Range, Shot

from lab.errors import EnvironmentFailed, Exit, LabError

WITHIN_S = {"embedded": 30.0, "containers": 45.0}
HOW = ("kill", "kill-both", "interrupt")


def main() -> int:
    parser = argparse.ArgumentParser(prog="kill_storm", description=__doc__)
    parser.add_argument("--stack", nargs="+", choices=tuple(WITHIN_S), default=["embedded"])
    parser.add_argument(
        "--kills", type=int, default=100, help="on each stack; every second one ends the reaper too"
    )
    parser.add_argument("--interrupts", type=int, default=50, help="on each stack: one Ctrl-C, no lab clean")
    parser.add_argument(
        "--within", type=float, help="seconds in which a run is ended (default: 30, containers 45)"
    )
    parser.add_argument("--lanes", type=int, default=2, help="runs side by side (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    given = parser.parse_args()
    begun = time.monotonic()
    shots: list[Shot] = []
    try:
        for stack in given.stack:
            within_s = given.within or WITHIN_S[stack]
            shots += storm(stack, plan(given.kills, given.interrupts), given.lanes, given.seed, within_s)
    except LabError as error:
        say(str(error))
        return error.exit
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    found = findings(shots)
    if given.json:
        print(json.dumps(as_json("kill_storm", found, len(shots), False, time.monotonic() - begun)))
    else:
        print(as_text(found))
    return Exit.REFUTED if any(goal.met is False for goal in found.goals) else Exit.OK


def plan(kills: int, interrupts: int) -> list[str]:
    """How each run ends, in order."""
    return [*(HOW[n % 2] for n in range(kills)), *[HOW[2]] * interrupts]


def storm(stack: str, ends: Sequence[str], lanes: int, seed: int, within_s: float) -> list[Shot]:
    """All runs of one stack, shared among lanes that each adopt their own orphans."""
    told: multiprocessing.Queue[Shot | None] = multiprocessing.Queue()
    shares = [list(enumerate(ends))[lane::lanes] for lane in range(lanes)]
    with tempfile.TemporaryDirectory(prefix="kill-storm-") as name:
        Path(name).chmod(0o755)
        started = [
            multiprocessing.Process(
                target=_lane, args=(stack, Path(name) / f"lane-{n}", share, seed + n, within_s, told)
            )
            for n, share in enumerate(shares)
        ]
        for lane in started:
            lane.start()
        shots = []
        for shot in iter_until(told, lanes):
            shots.append(shot)
            mark = f"left {', '.join(shot.left)}" if shot.left else "nothing left"
            say(
                f"{len(shots)}/{len(ends)} {stack}, {shot.how} after {shot.after_s:.1f} s ({shot.phase}): {mark}"
            )
        for lane in started:
            lane.join()
    if len(shots) != len(ends):
        raise EnvironmentFailed(
            f"only {len(shots)} of {len(ends)} runs were told of",
            where=stack,
            why="a lane of the storm broke off: see its traceback above",
            do="run it again",
        )
    return shots


def iter_until(told: multiprocessing.Queue[Shot | None], lanes: int) -> Iterator[Shot]:
    """Shots as they come; each lane ends with None."""
    while lanes:
        shot = told.get()
        if shot is None:
            lanes -= 1
        else:
            yield shot


def _lane(
    stack: str,
    folder: Path,
    share: Sequence[tuple[int, str]],
    seed: int,
    within_s: float,
    told: multiprocessing.Queue[Shot | None],
) -> None:
    try:
        ground = Range(folder, stack, random.Random(seed))
        for n, how in share:
            told.put(ground.shoot(n, how, within_s))
    finally:
        told.put(None)


def findings(shots: Sequence[Shot]) -> Findings:
    """A table by stack and way of ending, and what each goal found."""
    groups = sorted({(shot.stack, shot.how) for shot in shots})
    rows = []
    for stack, how in groups:
        some = [shot for shot in shots if (shot.stack, shot.how) == (stack, how)]
        phases = Counter(shot.phase.split("]")[-1].split(":")[0].strip() for shot in some)
        early = sum(shot.early for shot in some)
        rows.append((stack, how, len(some), early, sum(bool(shot.left) for shot in some), len(phases)))
    in_time = [shot for shot in shots if not shot.early]  # the others were over before anything hit them
    killed = [shot for shot in in_time if shot.how != "interrupt"]
    interrupted = [shot for shot in in_time if shot.how == "interrupt"]
    dirty = [shot for shot in shots if shot.left]
    return Findings(
        tables=[
            Table(
                title="Runs that were ended at a random moment",
                columns=("stack", "how", "runs", "over before", "left something", "phases met"),
                rows=rows,
            )
        ],
        goals=[
            _none("killed runs that left anything after one lab clean", killed),
            _none("interrupted runs that left anything, without lab clean", interrupted),
        ],
        notes=[
            f"{s.stack}, {s.how} of {s.scenario} after {s.after_s} s: {', '.join(s.left)} {s.said}"
            for s in dirty
        ],
    )


def _none(goal: str, some: Sequence[Shot]) -> Goal:
    dirty = sum(bool(shot.left) for shot in some)
    return Goal(goal=goal, bar="none", found=f"{dirty} of {len(some)}", met=dirty == 0 if some else None)


if __name__ == "__main__":
    sys.exit(main())
