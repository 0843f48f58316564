from __future__ import annotations

import errno
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import EnvironmentFailed, LabError
from lab.model.run import Block
from lab.store import RunFolder, find, runs
from tests.fake_run import judgement, plan, run_info, scenario, write_run


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path, scenario().source, "k3v9x2", plan())


def block(n: int = 0) -> Block:
    return Block(
        n=n,
        group=1,
        stratum=0,
        slot=n,
        arm="problem",
        role="problem",
        phase="slot",
        start_ns=1,
        length_s=0.6,
        reasons=("späte Antwort",),
        values={"slow answers": 0.25, "recomputations per expiry": None},
    )


def test_everything_comes_back_as_it_went_in(folder: RunFolder) -> None:
    folder.append_block(block())
    folder.event("fault-on", "problem", "expire-key", {"key": "ranking"}, t_ns=5)
    folder.write_judgement(judgement())
    folder.write_run(run_info())
    assert folder.read_plan() == plan()
    assert folder.read_blocks() == [block()]
    assert [(e.kind, e.arm, e.data, e.t_ns) for e in folder.read_events()] == [
        ("fault-on", "problem", {"key": "ranking"}, 5)
    ]
    assert folder.read_judgement() == judgement()
    assert folder.read_run() == run_info()
    assert folder.read_scenario() == scenario().source


def test_the_events_begin_with_a_wall_clock_anchor(folder: RunFolder) -> None:
    first = json.loads((folder.path / "events.jsonl").read_text().splitlines()[0])
    assert first["schema"] == "lab.events/1"
    assert first["t_ns"] > 0
    assert first["wall"].endswith("+00:00")


def test_the_same_judgement_gives_the_same_bytes(folder: RunFolder) -> None:
    folder.write_judgement(judgement())
    once = (folder.path / "verdict.json").read_bytes()
    folder.write_judgement(judgement())
    assert (folder.path / "verdict.json").read_bytes() == once


def test_an_unfinished_run_has_no_judgement(folder: RunFolder) -> None:
    assert folder.read_judgement() is None


def test_evidence_and_samples_come_back(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    assert list(run.read_evidence()) == [
        "problem.explain",
        "problem.statements",
        "single-flight.explain",
        "single-flight.statements",
    ]
    found = run.read_samples(0)
    assert found is not None
    assert len(found) == 60
    assert run.read_samples(999) is None


def test_damaged_samples_are_left_out_with_a_warning(folder: RunFolder) -> None:
    np.save(folder.samples_path(3), np.arange(100))
    whole = folder.samples_path(3).read_bytes()
    folder.samples_path(3).write_bytes(whole[:150])
    assert folder.read_samples(3) is None
    assert "samples/3.npy" in folder.warnings[0]


@given(cut=st.integers(min_value=1, max_value=60))
def test_a_last_line_cut_short_costs_one_block_and_a_warning(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = RunFolder.create(tmp_path_factory.mktemp("out"), "", "a", plan())
    folder.append_block(block(0))
    folder.append_block(block(1))
    path = folder.path / "blocks.jsonl"
    path.write_bytes(path.read_bytes()[: -1 - cut])
    assert folder.read_blocks() == [block(0)]
    assert "cut short" in folder.warnings[0]


def test_a_damaged_line_in_the_middle_is_an_error_that_names_it(folder: RunFolder) -> None:
    with (folder.path / "blocks.jsonl").open("a") as lines:
        lines.write("{broken\n")
    folder.append_block(block())
    with pytest.raises(LabError) as caught:
        folder.read_blocks()
    assert caught.value.where.endswith("blocks.jsonl:2")


@pytest.mark.parametrize("file", ["plan.json", "verdict.json", "run.json"])
def test_a_newer_file_is_refused_in_plain_words(tmp_path: Path, file: str) -> None:
    run = write_run(tmp_path, with_samples=False)
    kept = json.loads((run.path / file).read_text())
    name = kept["schema"].partition("/")[0]
    (run.path / file).write_text(json.dumps(kept | {"schema": f"{name}/2"}))
    read = {"plan.json": run.read_plan, "verdict.json": run.read_judgement, "run.json": run.read_run}[file]
    with pytest.raises(LabError, match=r"written by a newer lab.*version 2"):
        read()


def test_newer_blocks_are_refused_too(folder: RunFolder) -> None:
    path = folder.path / "blocks.jsonl"
    path.write_text(path.read_text().replace("lab.blocks/1", "lab.blocks/9"))
    with pytest.raises(LabError, match="newer lab"):
        folder.read_blocks()


def test_a_file_with_a_foreign_key_is_an_error_that_names_the_key(folder: RunFolder) -> None:
    kept = json.loads((folder.path / "plan.json").read_text())
    (folder.path / "plan.json").write_text(json.dumps(kept | {"colour": 1}))
    with pytest.raises(LabError, match="colour"):
        folder.read_plan()


def test_two_runs_cannot_hold_one_folder(folder: RunFolder) -> None:
    assert not folder.alive
    with folder.lock():
        assert RunFolder(folder.path).alive
        with pytest.raises(LabError, match="still going on"), RunFolder(folder.path).lock():
            pass
    assert not folder.alive


def test_errors_of_the_run_pass_through_the_lock_unchanged(folder: RunFolder) -> None:
    with pytest.raises(ConnectionResetError), folder.lock():
        raise ConnectionResetError("from a server")


def test_lines_of_several_threads_never_mix(folder: RunFolder) -> None:
    threads = [threading.Thread(target=folder.event, args=("note", "a", "x" * 4000)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(folder.read_events()) == 16


def test_a_full_disk_is_said(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(EnvironmentFailed, match="the disk is full") as caught:
        folder.append_block(block())
    assert "--out" in caught.value.do


def test_an_output_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(LabError, match="cannot be made"):
        RunFolder.create(tmp_path / "out", "", "a", plan())


def test_an_output_folder_without_permission_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", denied)
    with pytest.raises(LabError, match="cannot be written") as caught:
        RunFolder.create(tmp_path / "out", "", "a", plan())
    assert str(tmp_path / "out") in caught.value.where


def make(out: Path, name: str, scenario_name: str = "stampede") -> RunFolder:
    made = RunFolder.create(out, "", name.partition("-")[2], plan())
    moved = RunFolder(made.path.rename(out / name))
    kept = json.loads((moved.path / "plan.json").read_text())
    (moved.path / "plan.json").write_text(json.dumps(kept | {"scenario": scenario_name}))
    return moved


def test_runs_are_found_by_folder_id_beginning_and_scenario(tmp_path: Path) -> None:
    old = make(tmp_path, "20260101T000000-aaaa11")
    new = make(tmp_path, "20260102T000000-bbbb22", "redis-down")
    assert [run.path for run in runs(tmp_path)] == [new.path, old.path]
    assert find(tmp_path).path == new.path
    assert find(tmp_path, old.path).path == old.path
    for asked in ("20260101T000000-aaaa11", "aaaa11", "aaa", "20260101", "stampede"):
        assert find(tmp_path, asked).path == old.path


def test_a_run_that_is_not_there_is_refused_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no run yet"):
        find(tmp_path)
    make(tmp_path, "20260101T000000-aaaa11")
    with pytest.raises(LabError) as caught:
        find(tmp_path, "stampeed")
    assert caught.value.do == "did you mean stampede?"
