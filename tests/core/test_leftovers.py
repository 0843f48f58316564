"""What a killed run left is removed before the next one, and what a living run holds is not touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.cli.leftovers import clean_before, clean_up
from lab.errors import EnvironmentFailed
from lab.reaper import RESOURCES
from lab.store import RunFolder
from tests.fake_plan import plan, scenario


def run_that_owns(out: Path, scratch: Path) -> RunFolder:
    folder = RunFolder.create(out, scenario().source, "k3v9x2", plan())
    (scratch / "data").mkdir(parents=True)
    (folder.path / RESOURCES).write_text(json.dumps({"own": {"folder": str(scratch)}}) + "\n")
    return folder


def test_a_new_run_removes_what_a_killed_one_left_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_that_owns(tmp_path / "reports", tmp_path / "scratch")
    clean_before(tmp_path / "reports")
    assert not (tmp_path / "scratch").exists()
    said = capsys.readouterr()
    assert said.out == ""
    assert f"left 1 thing behind ({folder.path})" in said.err
    assert f"removed folder {tmp_path / 'scratch'}" in said.err
    assert "looked again: nothing of it is left" in said.err
    clean_before(tmp_path / "reports")
    assert capsys.readouterr().err == "", "twice in a row there is nothing to say"


def test_what_a_living_run_holds_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_that_owns(tmp_path / "reports", tmp_path / "scratch")
    with folder.lock():
        clean_before(tmp_path / "reports")
        clean_up(tmp_path / "reports", dry_run=False)
    assert (tmp_path / "scratch" / "data").exists()
    assert capsys.readouterr().out == "nothing is left of killed runs\n"


def test_a_dry_run_says_and_does_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_that_owns(tmp_path / "reports", tmp_path / "scratch")
    clean_up(tmp_path / "reports", dry_run=True)
    assert "1 thing left" in capsys.readouterr().out
    assert (tmp_path / "scratch").exists()


def test_faults_that_were_on_are_named_with_what_they_went_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_that_owns(tmp_path / "reports", tmp_path / "scratch")
    folder.event("undo-planned", "problem", "pause", {"resume": "redis", "target": "redis"})
    folder.event("undo-planned", "fix", "pause", {"resume": "redis", "target": "redis"})
    folder.event("undo-planned", "fix", "pause", {"resume": "app", "target": "app"})
    folder.event("fault-off", "fix", "pause", {"target": "redis"})
    folder.event("fault-off", "fix", "pause", {"target": "app"})
    clean_up(tmp_path / "reports", dry_run=False)
    assert capsys.readouterr().out.count("the fault pause on redis of problem is gone with its servers") == 1


def test_what_cannot_be_removed_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run_that_owns(tmp_path / "reports", tmp_path / "scratch")
    monkeypatch.setattr("lab.cli.leftovers.reap", lambda resources, report: [])
    monkeypatch.setattr("lab.cli.leftovers.PATIENCE_S", 0.0)
    with pytest.raises(EnvironmentFailed, match="1 thing of a killed run could not be removed") as failed:
        clean_up(tmp_path / "reports", dry_run=False)
    assert failed.value.where == str(folder.path)
    assert f"folder {tmp_path / 'scratch'}" in failed.value.why
