"""Past runs as records, and the tally of their placebos."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab.cli.doctor import error_rate
from lab.cli.history import as_json, lines, tally
from lab.model.run import Judgement, Verdict, control_fix
from lab.model.scenario import State
from lab.store import RunFolder
from lab.store.history import Placebos, by_scenario, past, placebos
from lab.verdict.tally import Tally
from tests.fake_run import judgement, plan, run_info, scenario

FIX, PLACEBO = judgement().verdicts


def ended(verdict: Verdict, state: State, code: str = "") -> Verdict:
    return replace(verdict, state=state, reason_code=code or state)


def remember(out: Path, *verdicts: Verdict, of: str = "stampede", void: str | None = None) -> RunFolder:
    """A run that ended with these verdicts, as the store leaves it."""
    name = f"run{len(list(out.iterdir())):03}"
    folder = RunFolder.create(out, scenario().source, name, plan())
    folder.write_judgement(Judgement(scenario=of, seed=7, verdicts=verdicts, void=void))
    folder.write_run(replace(run_info(), run=name, scenario=of))
    return folder


def test_a_run_is_remembered_with_what_it_was_and_how_it_ended(tmp_path: Path) -> None:
    remember(tmp_path, FIX, PLACEBO)
    (run,) = past(tmp_path).runs
    info = run_info()
    assert (run.run, run.scenario, run.stack, run.seed) == ("run000", "stampede", "embedded", 7)
    assert (run.started, run.machine, run.load_s, run.wall_s) == (
        info.started,
        info.machine,
        info.load_s,
        info.wall_s,
    )
    assert [(one.fix, one.state) for one in run.outcomes] == [
        ("single-flight", "resolved"),
        ("placebo", "not-resolved"),
    ]


def test_the_newest_run_is_the_last(tmp_path: Path) -> None:
    for _ in range(3):
        remember(tmp_path, FIX)
    assert [run.run for run in past(tmp_path).runs] == ["run000", "run001", "run002"]


@pytest.mark.parametrize(
    ("state", "code", "found"),
    [
        ("not-resolved", "no-gain", Tally(0, 1)),
        ("inconclusive", "missing-better", Tally(0, 1)),
        ("inconclusive", "intermittent", Tally(0, 1)),
        ("not-reproduced", "not-reproduced", Tally(0, 1)),
        ("regressed", "worse", Tally(0, 1)),
        ("improved", "improved", Tally(0, 1)),
        ("resolved", "resolved", Tally(1, 1)),
        ("void", "control-failed", Tally(1, 1)),
        ("void", "disturbed", Tally(0, 0)),
        ("inconclusive", "undecided", Tally(0, 0)),
        ("inconclusive", "tail-incomplete", Tally(0, 0)),
    ],
)
def test_a_placebo_counts_when_it_was_judged_to_an_end(
    tmp_path: Path, state: State, code: str, found: Tally
) -> None:
    remember(tmp_path, FIX, ended(PLACEBO, state, code))
    assert placebos(past(tmp_path).runs).resolved == found


def test_a_placebo_in_the_place_of_the_fix_counts_too(tmp_path: Path) -> None:
    control = replace(PLACEBO, fix=control_fix("placebo"))
    remember(tmp_path, control)
    remember(tmp_path, ended(control, "resolved"), void="the placebo came out RESOLVED")
    remember(tmp_path, replace(FIX, fix=control_fix("perfect")))
    assert placebos(past(tmp_path).runs) == Placebos(resolved=Tally(1, 2), runs=2)


def test_improved_placebos_are_counted_beside(tmp_path: Path) -> None:
    remember(tmp_path, ended(PLACEBO, "improved"), PLACEBO)
    assert placebos(past(tmp_path).runs) == Placebos(resolved=Tally(0, 2), improved=1, runs=1)


def test_every_scenario_has_its_own_tally(tmp_path: Path) -> None:
    remember(tmp_path, PLACEBO)
    remember(tmp_path, ended(PLACEBO, "resolved"), of="redis-down")
    found = by_scenario(past(tmp_path).runs)
    assert {name: one.resolved for name, one in found.items()} == {
        "redis-down": Tally(1, 1),
        "stampede": Tally(0, 1),
    }
    assert [run.scenario for run in past(tmp_path, "redis-down").runs] == ["redis-down"]


def _killed(folder: RunFolder) -> None:
    (folder.path / "verdict.json").unlink()


def _damaged(folder: RunFolder) -> None:
    (folder.path / "verdict.json").write_text('{"schema": "lab.verdict/1", ')


def _newer(folder: RunFolder) -> None:
    kept = json.loads((folder.path / "run.json").read_text())
    (folder.path / "run.json").write_text(json.dumps(kept | {"schema": "lab.run/9"}))


@pytest.mark.parametrize(
    ("harm", "left_out"),
    [
        (_killed, {"unfinished": 1, "unreadable": 0}),
        (_damaged, {"unfinished": 0, "unreadable": 1}),
        (_newer, {"unfinished": 0, "unreadable": 1}),
    ],
)
def test_a_folder_that_does_not_tell_is_left_out_and_counted(
    tmp_path: Path, harm: Callable[[RunFolder], None], left_out: dict[str, int]
) -> None:
    harm(remember(tmp_path, PLACEBO))
    remember(tmp_path, PLACEBO)
    found = past(tmp_path)
    assert len(found.runs) == 1
    assert as_json(found)["left_out"] == left_out
    assert list(lines(found))[-1].startswith("left out: 1 ")


def test_the_lines_end_with_what_the_runs_prove(tmp_path: Path) -> None:
    for _ in range(36):
        remember(tmp_path, FIX, PLACEBO)
    *runs, last = lines(past(tmp_path))
    assert len(runs) == 36
    assert "single-flight RESOLVED, placebo NOT RESOLVED; exit 0" in runs[-1]
    assert last == "placebo RESOLVED in 0 of 36 runs: below 8.0 % with 95 % confidence"


def test_two_placebos_of_a_run_are_not_two_runs() -> None:
    told = tally(Placebos(resolved=Tally(0, 4), improved=1, runs=2))
    assert told == "placebo RESOLVED 0 of 4 times in 2 runs: below 52.7 % with 95 % confidence; IMPROVED in 1"


def test_the_doctor_tells_the_tally_in_one_line(tmp_path: Path) -> None:
    assert error_rate(tmp_path).ok
    remember(tmp_path, FIX, PLACEBO)
    assert error_rate(tmp_path).text == "placebo RESOLVED in 0 of 1 run: below 95.0 % with 95 % confidence"
    remember(tmp_path, FIX, ended(PLACEBO, "resolved"))
    found = error_rate(tmp_path)
    assert (found.ok, found.needed) == (False, False)
    assert found.text.startswith("placebo RESOLVED in 1 of 2 runs")


def test_what_was_not_decided_is_not_given_a_state(tmp_path: Path) -> None:
    remember(tmp_path, ended(PLACEBO, "inconclusive", "undecided"))
    told = list(lines(past(tmp_path)))
    assert "placebo undecided" in told[0]
    assert told[-1] == "no placebo was judged to an end yet"


def test_without_a_run_it_says_so(tmp_path: Path) -> None:
    assert list(lines(past(tmp_path / "nowhere"))) == ["there is no finished run yet"]
    assert list(lines(past(tmp_path), "stampede")) == ["there is no finished run of stampede yet"]


def test_the_json_is_one_object_of_plain_values(tmp_path: Path) -> None:
    remember(tmp_path, FIX, PLACEBO)
    found = json.loads(json.dumps(as_json(past(tmp_path))))
    assert found["schema"] == "lab.history/1"
    assert found["runs"][0]["outcomes"][1] == {
        "fix": "placebo",
        "state": "not-resolved",
        "code": PLACEBO.reason_code,
    }
    assert found["placebo"] == found["scenarios"]["stampede"]
    assert (found["placebo"]["resolved"], found["placebo"]["of"]) == (0, 1)
    assert found["placebo"]["below"] == pytest.approx(0.95)
