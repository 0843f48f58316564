"""T3: real block series, relabelled by the judge's own shuffle and judged again. What it claims of them is wrong.

The full number of relabellings, and more of them, are in `benchmarks/verdict_replay.py`.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from lab.errors import Exit, LabError
from lab.model.run import Block
from lab.store import RunFolder

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
if str(BENCHMARKS) not in sys.path:
    sys.path.append(str(BENCHMARKS))

cases: Any = importlib.import_module("parts.cases")
replay: Any = importlib.import_module("parts.replay")
recorded: Any = importlib.import_module("parts.series")
program: Any = importlib.import_module("verdict_replay")

RUNS = 500
SERIES = cases.load()
CASES = cases.cases(SERIES)


def named(case: Any) -> str:
    return f"{case.series}: {case.what}"


def of(truth: str) -> list[Any]:
    return [pytest.param(case, id=named(case)) for case in CASES if case.truth == truth]


@pytest.mark.parametrize("case", of("placebo"))
def test_relabelled_placebo_is_never_resolved_and_seldom_better(case: Any) -> None:
    told = case.told(range(RUNS))
    print(f"{named(case)}: {dict(told.states)}, better {told.most_better}")
    assert told.runs == RUNS
    assert told.states["resolved"] == 0
    assert told.most_better <= cases.most(RUNS)


@pytest.mark.parametrize("case", of("edge"))
def test_fix_at_the_edge_of_the_tolerance_is_seldom_resolved(case: Any) -> None:
    told = case.told(range(RUNS))
    assert told.states["resolved"] <= cases.most(RUNS)
    assert told.states["resolved"] + told.states["improved"] > 0, "it comes to the question at all"


@pytest.mark.parametrize("case", of("full fix"))
def test_full_fix_is_seen_in_the_same_noise(case: Any) -> None:
    # Without it, a judge that never says RESOLVED would pass everything above.
    told = case.told(range(100))
    print(f"{named(case)}: {dict(told.states)}")
    assert told.states["resolved"] >= 70
    assert told.states["resolved"] + told.states["inconclusive"] == 100, "never refuted"


def test_limit_would_notice_a_claim_that_is_wrong_too_often() -> None:
    # 12 and 26 disagreeing comparisons at the later looks, and 2 at the first, are wrong in more than 10 % of runs.
    spent = replace(cases.UNHURRIED, allowed=(2, 12, 26))
    told = cases.unhurried(SERIES["stampede-quiet"], spent).told(range(300))
    assert told.most_better > cases.most(300)


@pytest.mark.parametrize("runs", [100, 800, 4000])
def test_limit_is_that_of_the_binomial(runs: int) -> None:
    assert cases.most(runs) == stats.binom.ppf(0.999, runs, cases.ALPHA)


def test_limit_at_full_size_is_the_published_one() -> None:
    assert cases.most(4000) == 57


@pytest.mark.parametrize("name", SERIES)
def test_series_are_real_ones(name: str) -> None:
    series = SERIES[name]
    assert {block.role for block in series.blocks} == {"healthy", "problem", "placebo"}
    assert len(series.of("healthy")) >= 24, "enough for the longest run"
    starts = [(block.run, block.start_s) for block in series.blocks]
    assert starts == sorted(starts), "in the order in which they ran"
    p50 = [block.values["p50_ms"] for block in series.of("healthy")]
    assert len(set(p50)) > 0.7 * len(p50), "measured, not made up"
    assert len(series.strata()) >= 4
    names = {spec.name for spec in series.measures}
    assert all(names <= set(block.values) for block in series.blocks)


def test_series_hold_quiet_and_disturbed_machines() -> None:
    disturbed = {name: sum(block.disturbed for block in series.blocks) for name, series in SERIES.items()}
    assert disturbed["stampede-disturbed"] > 30
    assert not any(count for name, count in disturbed.items() if name != "stampede-disturbed")


def test_relabelling_keeps_every_block_and_every_label_count(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[Block]] = []
    judge = replay.judge
    monkeypatch.setattr(
        replay, "judge", lambda plan, blocks: seen.append(list(blocks)) or judge(plan, blocks)
    )
    series = SERIES["stampede-quiet"]
    all_looks = replace(cases.UNHURRIED, better_by=1e9)  # no claim ends it early
    replay.relabelled(series, 5, all_looks)
    blocks = seen[-1]
    assert Counter(block.role for block in blocks) == {"healthy": 24, "problem": 24, "placebo": 24}
    known = [tuple(sorted(map(str, (b.values.items() for b in stratum)))) for stratum in series.strata()]
    for n in range(8):
        mine = tuple(sorted(map(str, (b.values.items() for b in blocks if b.stratum == n))))
        assert mine in known, "a stratum of the recording, whatever its labels"
    told = [[b.role for b in blocks if b.stratum == n] for n in range(8)]
    replay.relabelled(series, 6, all_looks)
    assert told != [[b.role for b in seen[-1] if b.stratum == n] for n in range(8)], (
        "another seed, other labels"
    )


def test_disturbed_slot_is_run_again_with_the_next_block(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[Block]] = []
    judge = replay.judge
    monkeypatch.setattr(
        replay, "judge", lambda plan, blocks: seen.append(list(blocks)) or judge(plan, blocks)
    )
    whole = SERIES["stampede-quiet"].of("healthy")
    bad = [replace(block, disturbed=n % 10 == 3) for n, block in enumerate(whole)]
    replay.noise(bad, cases.P50, {"problem": 2.0}, seed=1)
    blocks = seen[-1]
    again = [block for block in blocks if block.attempt == 2]
    assert len(again) >= 1
    for block in again:
        first = next(b for b in blocks if b.slot == block.slot and b.attempt == 1)
        assert first.disturbed and not block.disturbed and first.arm == block.arm
    values = [b.values["p50_ms"] / (2 if b.role == "problem" else 1) for b in blocks]
    around = [b.values["p50_ms"] for b in whole] * 3
    start = next(n for n in range(len(whole)) if around[n : n + len(values)] == pytest.approx(values))
    assert start >= 0, "one stretch of the recording, in its order"


def test_recording_and_reading_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = replay.plan_for((cases.P50,), [("healthy", "problem", "placebo")])
    folder = RunFolder.create(tmp_path, plan.scenario, "cafe", plan)
    for n, (arm, phase) in enumerate(
        (("healthy", "slot"), ("problem", "slot"), ("placebo", "slot"), ("placebo", "tail"))
    ):
        folder.append_block(
            Block(
                n=n + 9, group=1, stratum=0, slot=n, arm=arm, role=arm, phase=phase,  # type: ignore[arg-type]
                start_ns=5_000_000_000 + n * 1_100_000_000, length_s=0.6, disturbed=n == 1,
                values={"p50_ms": 1.23456 * (n + 1)}, shown={"p50_ms": 1.23456 * (n + 1), "p95_ms": None},
            )
        )  # fmt: skip
    words = ["--record", str(folder.path), "--about", "a quiet one", "--made-by", "lab run story"]
    assert program.main(words) == Exit.OK
    file = tmp_path / "story.json"
    file.write_text(capsys.readouterr().out)
    read = recorded.read_series(file)
    assert (read.name, read.about, read.made_by, read.measures) == (
        "story", "a quiet one", "lab run story", (cases.P50,),
    )  # fmt: skip
    assert [(b.role, b.start_s, b.disturbed, b.values["p50_ms"]) for b in read.blocks] == [
        ("healthy", 0.0, False, 1.235),
        ("problem", 1.1, True, 2.469),
        ("placebo", 2.2, False, 3.704),
    ]


def test_other_file_is_no_series(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text('{"schema": "lab.plan/1"}')
    with pytest.raises(LabError, match="not a recorded series"):
        recorded.read_series(file)


def test_program_prints_one_object(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "cases", lambda found: [c for c in CASES if c.series == "stampede-noisy"])
    assert program.main(["--json", "--runs", "10"]) == Exit.OK
    captured = capsys.readouterr()
    said = json.loads(captured.out)
    assert said["benchmark"] == "verdict_replay"
    assert [goal["met"] for goal in said["goals"]] == [True, True, True]
    assert all(sum(row[state] for state in program.STATES) == 10 for row in said["tables"][0]["rows"])
    assert captured.err.count("relabellings") == len(said["tables"][0]["rows"])
