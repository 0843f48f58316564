"""A lab that dies with its reaper while it makes the data, and what makes it then: all of it is found and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from lab.reaper import reap, recorded, remaining

# A person's terminal, which outlives the lab that was started in it.
SHELL = """
import os, subprocess, sys, time
os.login_tty(os.openpty()[1])
subprocess.run([sys.executable, "-c", *sys.argv[1:]])
time.sleep(600)
"""
LAB = """
import os, sys
from pathlib import Path
from lab.model.stack import RunContext
from lab.reaper import Reaper
from lab.stacks.embedded import Embedded
folder, scratch = map(Path, sys.argv[1:])
reaper = Reaper.start(folder)
reaper.own({"folder": str(scratch)})
(folder / "new").write_text(f"{reaper.pid} {os.getpid()}")
(folder / "new").rename(folder / "pids")
run = RunContext(id="one", folder=folder, scratch=scratch, seed=1, report=print, own=reaper.own)
Embedded().prepare(run)
"""
PATIENCE_S = 60.0


@pytest.fixture
def scratch() -> Iterator[Path]:
    # Not below pytest's folder, which is closed to the user that Postgres runs as where the tests are root.
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name) / "run"


def those_of(scratch: Path) -> list[psutil.Process]:
    """Processes that work on the data, by their command lines or where they stand."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        words = [*(process.info["cmdline"] or ()), process.info["cwd"] or ""]
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(
            str(scratch / "making") in w for w in words
        ):
            found.append(process)
    return found


@contextmanager
def killed_while(name: str, folder: Path, scratch: Path, cache: Path) -> Iterator[None]:
    """A lab with nothing in its cache, killed with its reaper as soon as a process ``name`` works; its terminal
    stays until the end."""
    scratch.mkdir(mode=0o755)
    command = [sys.executable, "-c", SHELL, LAB, str(folder), str(scratch)]
    shell = subprocess.Popen(command, env={**os.environ, "LAB_CACHE": str(cache)}, stderr=subprocess.DEVNULL)
    waker, last = threading.Event(), time.monotonic() + PATIENCE_S
    try:
        while not any((process.info["cmdline"] or [""])[0].endswith(name) for process in those_of(scratch)):
            assert time.monotonic() < last, f"there was no {name}"
            waker.wait(0.001)
        for pid in map(int, (folder / "pids").read_text().split()):
            os.kill(pid, signal.SIGKILL)
        yield
    finally:
        for left in psutil.Process(shell.pid).children():
            left.kill()
        shell.kill()
        shell.wait()


@pytest.mark.parametrize("name", ["initdb", "postgres"])
def test_what_makes_the_data_ends_with_the_folder_of_the_run(
    name: str, tmp_path: Path, scratch: Path
) -> None:
    folder, cache = tmp_path / "folder", tmp_path / "cache"
    folder.mkdir()
    said: list[str] = []
    with killed_while(name, folder, scratch, cache):
        reap(recorded(folder), report=said.append)
        assert those_of(scratch) == [] and not scratch.exists(), said
    assert remaining(recorded(folder)) == [] and not list(cache.glob("data-*"))
    assert any(line.startswith("ended") for line in said), said
