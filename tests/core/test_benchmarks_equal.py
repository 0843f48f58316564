"""The benchmark of equal arms: what it makes of blocks whose differences are known."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import exp, log
from pathlib import Path
from random import Random
from statistics import median, stdev
from typing import Any

import pytest

from lab.catalog import kinds
from lab.errors import EnvironmentFailed, Exit
from lab.model.run import Block, Plan

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
if str(BENCHMARKS) not in sys.path:
    sys.path.append(str(BENCHMARKS))

equal: Any = importlib.import_module("parts.equal")
equal_run: Any = importlib.import_module("parts.equal_run")
program: Any = importlib.import_module("verdict_equal")

SPEEDS = {"first": 1.0, "second": 1.0, "third": 1.0}
P50, SHARE, CALLS = "p50", "share over 2 ms", "calls per request"


def plan(looks: int = 3) -> Plan:
    made: Plan = equal_run.equal_plan(equal_run.equal_scenario(), kinds(), "embedded", 7, looks)
    return made


def run(
    n: int = 1,
    speeds: Mapping[str, float] = SPEEDS,
    looks: int = 3,
    noise: float = 0.001,
    disturbed: Callable[[int], bool] = lambda slot: False,
) -> Any:
    """A restart whose block values are the arm's speed, with a little noise; shares and calls are 0."""
    draw, made = Random(n), plan(looks)
    order = [(stratum, arm) for stratum, row in enumerate(made.groups[0].order) for arm in row]
    blocks = [
        Block(
            n=slot + 1, group=1, stratum=stratum, slot=slot, arm=arm, role=made.arm(arm).role, phase="slot",
            start_ns=slot, length_s=0.5, disturbed=disturbed(slot),
            values={
                spec.name: speeds[arm] * exp(draw.gauss(0, noise)) if spec.scale == "ratio" else 0.0
                for spec in made.measures
            },
        )
        for slot, (stratum, arm) in enumerate(order)
    ]  # fmt: skip
    return equal.Restart(n=n, plan=made, blocks=blocks)


def on(restart: Any, measure: str) -> dict[tuple[str, str], Any]:
    return {one.arms: one for one in restart.comparisons if one.spec.name == measure}


def test_plan_is_that_of_a_run_with_equal_arms_and_one_look_at_its_end() -> None:
    made = plan()
    assert [arm.name for arm in made.arms] == ["first", "second", "third"]
    assert not any(arm.faulty or arm.code or arm.fix for arm in made.arms)
    assert made.design.looks == (8,) and made.design.allowed == (17,)
    assert [sorted(row) for row in made.groups[0].order] == [sorted(list(SPEEDS) * 3)] * 8
    assert len(set(made.groups[0].order)) == 8
    assert (made.block.rate, made.block.length_s) == (150, 0.5)
    assert [len(row) for row in plan(looks=1).groups[0].order] == [9, 9]


@pytest.mark.parametrize(
    ("speed", "apart"),
    [(1.0, set()), (1.05, {1.0}), (1 / 1.05, {1.0}), (1.15, {1.0, 1.1}), (0.8, {1.0, 1.1})],
)
def test_arms_are_told_apart_by_the_gains_that_are_there(speed: float, apart: set[float]) -> None:
    restart = run(speeds=SPEEDS | {"first": speed}, noise=0.001 if speed != 1 else 0.05)
    found = on(restart, P50)
    for arms in (("first", "second"), ("first", "third")):
        assert found[arms].apart == apart
        assert found[arms].looks == 3
        assert found[arms].effect.estimate == pytest.approx(speed, rel=0.06 if speed == 1 else 0.002)
        assert found[arms].effect.lower <= found[arms].effect.estimate <= found[arms].effect.upper
    assert found["second", "third"].apart == set()
    told = {pair for pair in found if "first" in pair}
    assert restart.told_apart(1.0) == (told if 1.0 in apart else set())
    assert restart.told_apart(1.1) == (told if 1.1 in apart else set())


def test_distance_from_equal_does_not_depend_on_which_arm_is_named_first() -> None:
    faster, slower = (on(run(speeds=SPEEDS | {"first": s}), P50)["first", "second"] for s in (0.8, 1.25))
    assert faster.off == pytest.approx(0.25, rel=0.01) == slower.off
    assert faster.reach < 0.01


def test_zeros_are_equal_and_never_told_apart() -> None:
    for measure in (SHARE, CALLS):
        for one in on(run(speeds=SPEEDS | {"first": 2.0}), measure).values():
            assert (one.effect.estimate, one.effect.lower, one.effect.upper) == (0, 0, 0)
            assert (one.off, one.reach, one.apart) == (0, 0, set())


def test_difference_that_only_the_first_look_shows_counts_as_told_apart() -> None:
    restart = run(noise=0.02)
    early = [
        replace(b, values=dict(b.values) | {P50: 0.5}) if b.arm == "third" and b.stratum < 2 else b
        for b in restart.blocks
    ]
    found = on(equal.Restart(n=1, plan=restart.plan, blocks=early), P50)
    assert found["first", "third"].apart == found["second", "third"].apart == {1.0, 1.1}
    assert found["first", "third"].effect.lower < 1.1


def test_quick_restart_has_one_look() -> None:
    found = on(run(looks=1, speeds=SPEEDS | {"first": 2.0}), P50)["first", "second"]
    assert (found.looks, found.apart) == (1, {1.0, 1.1})


def test_disturbed_stratum_is_not_compared_and_a_disturbed_restart_is_void() -> None:
    one_stratum = run(disturbed=lambda slot: slot < 9)
    assert one_stratum.void == ""
    assert on(one_stratum, P50)["first", "second"].looks == 3  # the last look is short of a stratum
    assert "36 of 72" in run(disturbed=lambda slot: slot % 2 == 0).void


def test_summary_is_the_worst_and_the_middle_of_all_restarts() -> None:
    restarts = [run(1), run(2, SPEEDS | {"first": 1.25}), run(3, SPEEDS | {"third": 1.05})]
    specs = {spec.name: spec for spec in restarts[0].plan.measures}
    found = equal.summary(restarts, specs[P50])
    assert (found.compared, found.apart_any, found.apart_counts) == (9, 4, 2)
    assert found.off == pytest.approx(0.25, rel=0.01)
    everything = [block.values[P50] for r in restarts for block in r.blocks]
    assert found.middle == median(everything)
    arms = [[log(b.values[P50]) for b in r.blocks if b.arm == arm] for r in restarts for arm in SPEEDS]
    spreads = [stdev(values) for values in arms]
    assert found.spread == pytest.approx((min(spreads), max(spreads)))
    assert equal.summary(restarts, specs[SHARE]).spread == ()


def test_place_that_is_always_ahead_stands_out() -> None:
    restarts = [run(n, SPEEDS | {"third": 0.95}) for n in (1, 2, 3)]
    spec = restarts[0].plan.measures[0]
    found = {one.arms: one for one in equal.places(restarts, spec)}
    assert (found["first", "third"].above, found["first", "third"].below) == (3, 0)
    assert found["second", "third"].middle == pytest.approx(1 / 0.95, rel=0.01)
    assert found["first", "second"].above + found["first", "second"].below == 3


def test_findings_say_what_was_told_apart_and_what_was_left_out() -> None:
    void = run(3, disturbed=lambda slot: slot % 2 == 0)
    found = program.findings([run(1), run(2, SPEEDS | {"first": 1.05}), void])
    assert [len(table.rows) for table in found.tables] == [6 * len(void.plan.measures), 6, 18]
    assert [goal.met for goal in found.goals] == [True]
    assert "any gain on some measure: 2 of 6 pairs of arms (33%)" in found.notes[0]
    assert "1.1 on some measure: 0 of 6" in found.notes[1]
    assert found.notes[-1].startswith("restart 3 is left out: ")
    assert [goal.met for goal in program.findings([run(1, SPEEDS | {"first": 2.0})]).goals] == [False]
    assert [goal.met for goal in program.findings([void]).goals] == [None]


def started(answer: Any) -> Callable[..., Any]:
    def restart(n: int, **asked: Any) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        assert asked["seed"] == 10 + n - 1
        return run(n, looks=asked["looks"], speeds=answer)

    return restart


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (SPEEDS, Exit.OK),
        (SPEEDS | {"first": 2.0}, Exit.REFUTED),
        (EnvironmentFailed("no room"), EnvironmentFailed("no room").exit),
        (KeyboardInterrupt(), Exit.INTERRUPTED),
    ],
)
def test_program_ends_with_its_code(
    answer: Any, code: Exit, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "choose_stack", lambda asked: (None, asked))
    monkeypatch.setattr(program, "restart", started(answer))
    monkeypatch.setattr(program.signal, "signal", lambda *_: None)
    assert program.main(["--json", "--seed", "10", "--restarts", "2"]) == code
    said = capsys.readouterr().out
    if isinstance(answer, BaseException):
        assert said == ""
        return
    told = json.loads(said)
    assert (told["benchmark"], told["stack"], told["rounds"]) == ("verdict_equal", "embedded", 2)
    assert {row["restart"] for row in told["tables"][0]["rows"]} == {1, 2}


def test_program_says_what_it_does() -> None:
    command = [sys.executable, str(BENCHMARKS / "verdict_equal.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd="/")
    assert (done.returncode, done.stderr) == (0, "")
    for option in ("--stack", "--restarts", "--quick", "--json", "--keep"):
        assert option in done.stdout
