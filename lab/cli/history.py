"""``lab history``: past runs, a line each, and how often a placebo was called RESOLVED in them."""

from __future__ import annotations

import json as json_
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab.report import words
from lab.store.history import Outcome, Past, PastRun, Placebos, by_scenario, past, placebos
from lab.verdict.tally import CONFIDENCE


def show_history(out: Path, scenario: str | None, *, json: bool) -> None:
    """The runs below ``out``, the newest last, or those of one scenario."""
    found = past(out, scenario)
    if json:
        sys.stdout.write(json_.dumps(as_json(found), indent=1) + "\n")
        return
    for line in lines(found, scenario):
        sys.stdout.write(line + "\n")


def lines(found: Past, scenario: str | None = None) -> Iterator[str]:
    """What a person reads: the runs, the tally of each scenario, the tally of all."""
    of = f" of {scenario}" if scenario else ""
    width = max((len(run.scenario) for run in found.runs), default=0)
    for run in found.runs:
        yield f"{run.started[:16].replace('T', ' ')}  {run.run}  {run.scenario:<{width}}  {_run(run)}"
    tallies = by_scenario(found.runs)
    if len(tallies) > 1:
        for name, one in tallies.items():
            yield f"{name:<{width}}  {tally(one)}"
    yield tally(placebos(found.runs)) if found.runs else f"there is no finished run{of} yet"
    if skipped := _skipped(found):
        yield skipped


def _run(run: PastRun) -> str:
    states = ", ".join(f"{one.fix} {_state(one)}" for one in run.outcomes) or "no verdict"
    told = f"VOID ({states})" if run.void else states
    return f"{run.stack}, seed {run.seed}: {told}; exit {run.exit}, {run.load_s:.0f} s of {run.wall_s:.0f} s"


def _state(one: Outcome) -> str:
    return "undecided" if one.open else words.STATES[one.state]


def tally(found: Placebos) -> str:
    """How often, of how many, and what that excludes."""
    k, n = found.resolved.k, found.resolved.n
    if not n:
        return "no placebo was judged to an end yet"
    also = f"; IMPROVED in {found.improved}" if found.improved else ""
    below = f"below {found.resolved.below():.1%} with {CONFIDENCE:.0%} confidence".replace("%", " %")
    runs = f"{found.runs} run{'s' * (found.runs != 1)}"
    how_often = f"in {k} of {runs}" if n == found.runs else f"{k} of {n} times in {runs}"
    return f"placebo RESOLVED {how_often}: {below}{also}"


def _skipped(found: Past) -> str:
    counts = ((found.unfinished, "did not end"), (found.unreadable, "cannot be read"))
    told = ", ".join(f"{count} {why}" for count, why in counts if count)
    return f"left out: {told}" if told else ""


def as_json(found: Past) -> dict[str, Any]:
    """The object ``lab.history/1``. ``below`` is None where no placebo was judged to an end."""
    return {
        "schema": "lab.history/1",
        "runs": [_plain(run) for run in found.runs],
        "scenarios": {name: _tally(one) for name, one in by_scenario(found.runs).items()},
        "placebo": _tally(placebos(found.runs)),
        "left_out": {"unfinished": found.unfinished, "unreadable": found.unreadable},
    }


def _plain(run: PastRun) -> dict[str, Any]:
    return {**asdict(run), "folder": str(run.folder)}


def _tally(found: Placebos) -> dict[str, Any]:
    k, n = found.resolved.k, found.resolved.n
    return {
        "resolved": k,
        "of": n,
        "runs": found.runs,
        "improved": found.improved,
        "below": found.resolved.below() if n else None,
        "confidence": CONFIDENCE,
    }
