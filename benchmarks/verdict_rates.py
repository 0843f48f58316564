"""How often the judge is wrong and how soon it decides, on simulated machines, beside what others do there."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from parts.findings import Cell, Findings, Table, as_json, as_text, say
from parts.noise import NOISY, PROFILES, QUIET, Profile
from parts.rate_goals import OWN, kept_apart, power, soon, strictly, wrong
from parts.rates import (
    FAILS_10,
    FULL,
    PLACEBOS,
    STATES,
    TRUTHS,
    Rates,
    middle,
    rates,
)

from lab.errors import Exit
from lab.model.run import Design
from lab.plan import STRICT_TAIL

RUNS, QUICK_RUNS = 400, 60


def main() -> int:
    parser = argparse.ArgumentParser(prog="verdict_rates", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_RUNS} runs of each: a look, no result")
    parser.add_argument("--runs", type=int, help=f"runs of each truth and machine (default: {RUNS})")
    given = parser.parse_args()
    runs = given.runs if given.runs is not None else (QUICK_RUNS if given.quick else RUNS)
    if runs < 1:
        parser.error("--runs must be 1 or more")
    if hasattr(os, "nice"):
        os.nice(10)  # whatever else runs here goes first
    begun = time.monotonic()
    try:
        found = findings(measure(runs), equal_arms(runs), strict_runs(runs))
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    if given.json:
        print(json.dumps(as_json("verdict_rates", found, runs, given.quick, time.monotonic() - begun)))
    else:
        print(as_text(found))
    return Exit.REFUTED if any(goal.met is False for goal in found.goals) else Exit.OK


def measure(runs: int) -> list[Rates]:
    """Every truth on every machine. Seeds differ between all of them and are always the same."""
    found = []
    for p, profile in enumerate(PROFILES):
        say(f"{profile.name} machine: {len(TRUTHS)} truths, {runs} runs each")
        for t, truth in enumerate(TRUTHS):
            first = (p * len(TRUTHS) + t) * 1_000_000
            found.append(rates(truth, profile, range(first, first + runs)))
    return found


def equal_arms(runs: int) -> list[tuple[float, Rates]]:
    """Placebos where each process keeps a speed of its own, judged with and without a smallest gain."""
    say(f"equal arms that are not quite equal: {runs} runs each")
    return [
        (
            design.better_by,
            rates(PLACEBOS[0], profile, range(first, first + runs), others=False, design=design),
        )
        for own in OWN
        for first, profile in enumerate((replace(QUIET, process=own), replace(NOISY, process=own)))
        for design in (Design(better_by=1.0), Design())
    ]


def strict_runs(runs: int) -> list[Rates]:
    """A fix that fails now and then, and one that does not, judged with the strict confirm tail."""
    say(f"strict: {runs} runs each")
    design, cases = Design(tail=STRICT_TAIL), [(p, t) for p in PROFILES for t in (FAILS_10, FULL)]
    return [
        rates(truth, profile, range(first, first + runs), others=False, design=design)
        for first, (profile, truth) in zip(range(900_000_000, 10**9, 1_000_000), cases, strict=False)
    ]


def findings(
    found: Sequence[Rates], equal: Sequence[tuple[float, Rates]], strict: Sequence[Rates]
) -> Findings:
    tables = [_placebo_arms(found), _equal(equal), _strict(strict)]
    return Findings(
        tables=[*(_by_truth(profile, found) for profile in PROFILES), *tables],
        goals=[*wrong(found), *strictly(strict), kept_apart(equal), *power(found), *soon(found)],
        notes=[
            "shares are of all runs; load and wall in seconds from first block to last: healthy, problem,"
            " placebo and one fix, blocks of 0.5 s, confirm tail included",
            "one pass: 10 s of healthy, then of problem, then of fix; resolved where p95 of F >= 1.5 H,"
            " X <= 1.25 H and X <= 0.8 F; better where Mann and Whitney's test on requests gives p < 0.01",
        ],
    )


def _by_truth(profile: Profile, found: Sequence[Rates]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            one.truth.name,
            one.runs,
            *(one.share(state) for state in STATES),
            middle([one], "load_s"),
            middle([one], "wall_s"),
            max(one.wall_s),
            one.threshold / one.runs,
            one.rank_test / one.runs,
        )
        for one in found
        if one.profile is profile
    ]
    columns = (
        "truth",
        "runs",
        *STATES,
        "load s",
        "wall s",
        "wall max",
        "one pass: resolved",
        "one pass: better",
    )
    return Table(title=f"The judge on a {profile.name} machine", columns=columns, rows=rows)


def _placebo_arms(found: Sequence[Rates]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for profile in PROFILES:
        counted: Counter[str] = Counter()
        for one in found:
            counted += one.placebos if one.profile is profile else Counter()
        runs = sum(counted.values())
        rows.append((profile.name, runs, *(counted[state] / runs for state in STATES)))
    title = "The placebo arm that stands beside the fix in all of these runs"
    return Table(title=title, columns=("machine", "runs", *STATES), rows=rows)


def _equal(equal: Sequence[tuple[float, Rates]]) -> Table:
    return Table(
        title="Placebo, F = 1.5 H, where each process keeps a speed of its own: called BETTER, called RESOLVED",
        columns=("machine", "own speed, sd", "smallest gain", "runs", "better", "resolved"),
        rows=[
            (
                one.profile.name,
                one.profile.process,
                by,
                one.runs,
                one.better / one.runs,
                one.share("resolved"),
            )
            for by, one in equal
        ],
    )


def _strict(strict: Sequence[Rates]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            one.profile.name,
            one.truth.name,
            one.runs,
            one.share("resolved"),
            middle([one], "load_s"),
            middle([one], "wall_s"),
        )
        for one in strict
    ]
    return Table(
        title=f"Strict: {STRICT_TAIL} clean blocks before RESOLVED",
        columns=("machine", "truth", "runs", "resolved", "load s", "wall s"),
        rows=rows,
    )


if __name__ == "__main__":
    sys.exit(main())
