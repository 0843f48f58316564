"""The page of verdicts: runs of several verifies side by side."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError
from lab.model.run import Judgement, MeasureResult, Verdict
from lab.model.scenario import State
from tests.fake_run import write_run

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
if str(BENCHMARKS) not in sys.path:
    sys.path.append(str(BENCHMARKS))

page: Any = importlib.import_module("fix_verdicts")


def ran(scenario: str, seed: int, *, void: str | None = None, seconds: float = 60, **states: State) -> Any:
    verdicts = tuple(verdict(fix.replace("_", "-"), state, seed) for fix, state in states.items())
    judgement = Judgement(scenario=scenario, seed=seed, verdicts=verdicts, void=void)
    return page.Ran(scenario=scenario, where=f"embedded, seed {seed}", seconds=seconds, judgement=judgement)


def verdict(fix: str, state: State, seed: int) -> Verdict:
    unknown: dict[str, Any] = dict.fromkeys(("problem", "fixed", "healthy", "lower", "upper", "limit"))
    effect = MeasureResult(name="calls", unit="calls", ratio=-float(seed), scale="difference", **unknown)
    told: dict[str, Any] = {"reason": "", "reason_code": "", "documented": True, "expected": True}
    return Verdict(fix=fix, arm=fix, group=1, state=state, measures=(effect,), **told)


def rows(lines: Iterator[str]) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in "\n".join(lines).splitlines()
        if line.startswith("| ") and not line.startswith("| --")
    ]


def test_each_verify_is_a_column_and_the_effect_is_of_the_first_that_decided() -> None:
    runs = [
        ran("stampede", 1, single_flight="inconclusive"),
        ran("hot-key", 1, local_cache="resolved"),
        ran("stampede", 2, single_flight="resolved"),
        ran("stampede", 3, void="the machine was busy", single_flight="resolved"),
    ]
    assert rows(page.lines(runs)) == [
        ["problem", "fix", "embedded, seed 1", "embedded, seed 2", "embedded, seed 3", "effect"],
        ["stampede", "single-flight", "INCONCLUSIVE", "RESOLVED", "VOID", "calls −2.0"],
        ["problem", "fix", "embedded, seed 1", "embedded, seed 2", "embedded, seed 3", "effect"],
        ["hot-key", "local-cache", "RESOLVED", "", "", "calls −1.0"],
    ]


def test_the_newest_of_two_runs_with_one_seed_counts_and_minutes_are_summed() -> None:
    runs = [
        ran("stampede", 1, single_flight="not-reproduced"),
        ran("stampede", 1, single_flight="resolved", seconds=90),
        ran("no-cache", 1, redis_cache="resolved", seconds=150),
    ]
    lines = list(page.lines(runs))
    assert [row[2] for row in rows(iter(lines))][1:] == ["RESOLVED", "RESOLVED"]
    assert "Time for these 2: embedded, seed 1: 4 minutes." in lines


def test_what_was_refuted_stands_below_with_its_reason_and_what_helps() -> None:
    runs = [ran("redis-hang", seed, retry_with_fallback="not-resolved") for seed in (1, 2)]
    told = list(page.lines(runs))[-1]
    assert told.startswith("- **redis-hang, retry-with-fallback**: NOT RESOLVED. It sets no time-out.")
    assert told.endswith("What does resolve it: timeout-and-breaker.")


def test_runs_are_read_from_their_folders_and_none_is_an_error(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "one")
    (found,) = page.runs_in([tmp_path])
    judgement = folder.read_judgement()
    assert judgement is not None
    assert found.judgement == judgement
    assert found.where == f"{folder.read_run().stack}, seed {judgement.seed}"
    folder.write_judgement(replace(judgement, void="the machine was busy"))
    assert page.runs_in([tmp_path])[0].state("single-flight") == "VOID"
    with pytest.raises(LabError, match="no run to tell of"):
        page.runs_in([tmp_path / "two"])
