"""Two runs side by side: refused where they are not the same experiment, else effect beside effect."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.cli.compare import compared, show_comparison
from lab.errors import Exit, LabError
from lab.model.report import RunInfo
from lab.model.run import Judgement, Plan, Verdict
from lab.store import RunFolder
from tests.fake_run import CALLS, SLOW, judgement, plan, run_info, scenario

FIX, PLACEBO = judgement().verdicts


def keep(
    out: Path,
    name: str,
    *,
    text: str = scenario().source,
    of: Plan | None = None,
    info: RunInfo | None = None,
    judged: Judgement | None = None,
) -> None:
    folder = RunFolder.create(out, text, name, of or plan())
    folder.write_judgement(judged or judgement())
    folder.write_run(info or run_info())


def block(**changed: Any) -> dict[str, Any]:
    return {"of": replace(plan(), block=replace(plan().block, **changed))}


def machine(**changed: Any) -> dict[str, Any]:
    return {"info": replace(run_info(), machine=replace(run_info().machine, **changed))}


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"text": "title: Another\n"}, "text of the scenario: sha256"),
        ({"of": replace(plan(), scenario="redis-down")}, "scenario: stampede and redis-down"),
        ({"of": replace(plan(), stack="containers")}, "stack: embedded and containers"),
        (
            {"info": replace(run_info(), versions={**run_info().versions, "postgres": "15.1"})},
            "version of postgres: 18.6 and 15.1",
        ),
        ({"info": replace(run_info(), versions={})}, "version of locust: 2.47.0 and nothing"),
        (machine(cores=8), "cores: 2 and 8"),
        (machine(kernel="Linux 7.0"), "kernel: Linux 6.1.0 and Linux 7.0"),
        (machine(cpu="arm64"), "cpu: x86-64 and arm64"),
        (block(rate=50.0), "block: rate: 100 and 50"),
        (block(length_s=2.0), "block: length_s: 0.6 and 2"),
        (block(locustfile="users.py"), "block: locustfile: nothing and users.py"),
    ],
)
def test_runs_of_different_environments_are_refused_by_name(
    tmp_path: Path, other: dict[str, Any], said: str
) -> None:
    keep(tmp_path, "aaaa")
    keep(tmp_path, "bbbb", **other)
    with pytest.raises(LabError) as refused:
        show_comparison(tmp_path, "aaaa", "bbbb", json=False)
    assert said in refused.value.why
    assert refused.value.exit is Exit.USAGE


def test_every_difference_is_said_at_once(tmp_path: Path) -> None:
    keep(tmp_path, "aaaa")
    keep(tmp_path, "bbbb", **machine(cores=8, kernel="Linux 7.0"), **block(rate=50.0))
    with pytest.raises(LabError, match="3 things differ") as refused:
        show_comparison(tmp_path, "aaaa", "bbbb", json=False)
    assert [line.strip().partition(":")[0] for line in refused.value.why.splitlines()] == [
        "cores",
        "kernel",
        "block",
    ]


def test_another_seed_is_the_same_experiment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(tmp_path, "aaaa")
    again = replace(plan(), seed=8, block=replace(plan().block, arrivals_seed=99))
    keep(tmp_path, "bbbb", of=again)
    show_comparison(tmp_path, "aaaa", "bbbb", json=False)
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("A  ")
    assert told[1].endswith("seed 8")
    assert told[-1] == "4 of 4 effects agree within their intervals"
    rows = [line for line in told if line.startswith("single-flight")]
    assert len(rows) == 2
    assert all(line.count("RESOLVED") == 2 and line.endswith("overlap") for line in rows)


def with_effect(
    verdict: Verdict, name: str, estimate: float | None, lower: float | None, upper: float | None
) -> Verdict:
    measures = tuple(
        replace(m, ratio=estimate, lower=lower, upper=upper) if m.name == name else m
        for m in verdict.measures
    )
    return replace(verdict, measures=measures)


def of(*verdicts: Verdict) -> Judgement:
    return replace(judgement(), verdicts=verdicts)


@pytest.mark.parametrize(
    ("effect", "overlap"),
    [
        ((-16.0, -17.0, -15.0), True),
        ((-14.0, -14.9, -13.0), True),  # one point in common
        ((-10.0, -12.0, -8.0), False),
        ((-30.0, -31.0, -29.0), False),
        ((-10.0, None, -8.0), True),  # an open end reaches as far as it likes
        ((-30.0, None, -29.0), False),
        ((None, None, None), None),
    ],
)
def test_intervals_overlap_where_they_share_a_point(
    effect: tuple[float | None, float | None, float | None], overlap: bool | None
) -> None:
    rows = compared(of(FIX), of(with_effect(FIX, CALLS, *effect)))
    assert {row.measure: row.overlap for row in rows} == {SLOW: True, CALLS: overlap}


def test_what_only_one_run_measured_stands_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = compared(of(FIX), of(PLACEBO))
    assert [(row.fix, row.a is None, row.b is None, row.overlap) for row in rows] == [
        ("single-flight", False, True, None),
        ("single-flight", False, True, None),
        ("placebo", True, False, None),
        ("placebo", True, False, None),
    ]
    keep(tmp_path, "aaaa", judged=of(FIX))
    keep(tmp_path, "bbbb", judged=of(PLACEBO))
    show_comparison(tmp_path, "aaaa", "bbbb", json=False)
    told = capsys.readouterr().out
    assert told.count("not comparable") == 4
    assert "0 of 0 effects" in told


def test_placebos_of_two_groups_are_two(tmp_path: Path) -> None:
    judged = of(FIX, PLACEBO, replace(PLACEBO, arm="placebo.2", group=2))
    assert [row.fix for row in compared(judged, judged)][2:] == ["placebo"] * 2 + ["placebo (2)"] * 2


def test_the_json_holds_both_sides_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(tmp_path, "aaaa")
    keep(tmp_path, "bbbb")
    show_comparison(tmp_path, "aaaa", "bbbb", json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "lab.compare/1"
    row = next(row for row in found["rows"] if (row["fix"], row["measure"]) == ("single-flight", CALLS))
    assert row["overlap"] is True
    assert (row["a"]["state"], row["a"]["ratio"], row["a"]["upper"]) == ("resolved", -16.2, -14.9)
    assert row["a"] == row["b"]


def test_a_run_without_a_verdict_is_refused(tmp_path: Path) -> None:
    keep(tmp_path, "aaaa")
    RunFolder.create(tmp_path, scenario().source, "bbbb", plan())
    with pytest.raises(LabError, match="no verdict to compare"):
        show_comparison(tmp_path, "aaaa", "bbbb", json=False)
