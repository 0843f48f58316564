"""What is particular to servers that run as processes of this machine: programs, users, cache, disk."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest

from lab.errors import EnvironmentFailed
from lab.model.stack import ArmSpec, RunContext
from lab.reaper import Reaper
from lab.reaper.processes import end_processes
from lab.stacks import _process
from lab.stacks._binaries import postgres_bin, redis_binary
from lab.stacks._disk import clone, disk_words, locked
from lab.stacks._postgres import SETTINGS
from lab.stacks.embedded import Embedded


@pytest.fixture
def run() -> Iterator[RunContext]:
    with tempfile.TemporaryDirectory(prefix="lab-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "scratch").mkdir()
        reaper = Reaper.start(folder)
        yield RunContext(
            id=secrets.token_hex(6),
            folder=folder,
            scratch=folder / "scratch",
            seed=7,
            report=lambda line: None,
            own=reaper.own,
        )
        reaper.close()


def test_named_programs_in_a_closed_folder_fill_an_empty_cache_once(
    run: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = postgres_bin().parents[1]
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.is_dir():  # else the wheel of this platform needs no libraries of its own
            shutil.copytree(part, tmp_path / "site" / part.name, symlinks=True)
    for path in (tmp_path / "site").rglob("*"):
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() or path.stat().st_mode & 0o100 else 0o600)
    programs = tmp_path / "site" / package.name / "pginstall"
    redis = Path(shutil.copy2(redis_binary(), tmp_path / "my-redis"))
    monkeypatch.setenv("LAB_POSTGRES_BIN", str(programs / "bin"))
    monkeypatch.setenv("LAB_REDIS_BIN", str(redis))
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    said: list[str] = []
    runs = [
        RunContext(
            id=secrets.token_hex(6),
            folder=run.folder,
            scratch=scratch,
            seed=7,
            report=said.append,
            own=run.own,
        )
        for scratch in (run.scratch / "one", run.scratch / "two")
    ]
    for one in runs:
        one.scratch.mkdir()

    with ThreadPoolExecutor(2) as pool:  # two runs at the same time: one makes the data, the other waits
        list(pool.map(Embedded().prepare, runs))

    assert sum("making the data, once" in line for line in said) == 1
    assert sum("waiting for another run" in line for line in said) == 1
    assert [p.name.partition("-")[0] for p in (tmp_path / "cache").iterdir() if p.is_dir()] == ["data"]
    running = Embedded().start(ArmSpec(name="arm"), runs[0])
    try:
        with psycopg.connect(running.dsn) as database:
            (command,) = database.execute("SELECT current_setting('data_directory')").fetchone() or ("",)
        assert Path(str(command)).is_relative_to(runs[0].scratch)
    finally:
        running.stop()


@pytest.mark.parametrize("variable", ["LAB_POSTGRES_BIN", "LAB_REDIS_BIN"])
def test_a_setting_that_names_nothing_is_said(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "nothing"))
    assert variable in Embedded().available()


def test_a_program_that_does_not_run_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "valkey-server"
    broken.write_text("no program")
    broken.chmod(0o755)
    monkeypatch.setenv("LAB_REDIS_BIN", str(broken))
    assert "valkey-server does not run here" in Embedded().available()


def test_a_cache_that_cannot_be_written_is_said(
    run: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(EnvironmentFailed) as failed:
        Embedded().prepare(run)
    assert str(tmp_path / "file" / "cache") in failed.value.where and "LAB_CACHE" in failed.value.do


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("row\n")
    with pytest.raises(EnvironmentFailed, match="the disk is full"):
        clone(source, Path("/dev/full"))
    with pytest.raises(EnvironmentFailed, match="the disk is full"), disk_words(tmp_path):
        Path("/dev/full").write_text("row\n")


def test_a_copy_that_was_killed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cp").write_text("#!/bin/sh\nkill -9 $$\n")
    (tmp_path / "cp").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(EnvironmentFailed, match="cp ended with -9"):
        clone(tmp_path / "cp", tmp_path / "copy")


def test_an_arm_ends_whatever_of_it_does_not(run: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Embedded()
    stack.prepare(run)
    arm = stack.start(ArmSpec(name="one"), run)
    app, *others = (arm.pids(service)[0] for service in ("app", "postgres", "redis"))

    def stuck(tree: Sequence[psutil.Process], *, ask: str | None, asked_s: float) -> None:
        end_processes(tree, ask=ask, asked_s=asked_s)
        if tree[0].pid == app:
            raise TimeoutError("still there after SIGKILL")

    monkeypatch.setattr(_process, "end_processes", stuck)
    with pytest.raises(EnvironmentFailed, match="app did not end"):
        arm.stop()
    assert not any(map(psutil.pid_exists, others))
    assert [entry.name for entry in run.scratch.iterdir() if entry.name != "programs"] == []


def test_a_server_that_does_not_start_is_quoted(run: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SETTINGS, "work_mem", "plenty")
    stack = Embedded()
    with pytest.raises(EnvironmentFailed, match='invalid value for parameter "work_mem"'):
        stack.prepare(run)
    assert [entry.name for entry in run.scratch.iterdir() if entry.name != "programs"] == []


def test_whoever_waits_for_a_lock_says_so_and_gets_it(tmp_path: Path) -> None:
    said: list[str] = []
    waiting = threading.Event()

    def report(line: str) -> None:
        said.append(line)
        waiting.set()

    def second() -> None:
        with locked(tmp_path / "lock", report, "making the data"):
            said.append("mine")

    other = threading.Thread(target=second)
    with locked(tmp_path / "lock", report, "making the data"):
        other.start()
        assert waiting.wait(10)
        assert said == ["waiting for another run that is making the data"]
    other.join(10)
    assert said[1:] == ["mine"]
