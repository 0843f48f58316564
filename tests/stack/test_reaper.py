"""What a dead lab left behind is removed, and nothing else is."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from lab.reaper import LOG, RESOURCES, Reaper, reap, recorded

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
PARENT = [
    sys.executable,
    "-c",
    "import subprocess, sys, time; subprocess.Popen(sys.argv[1:]); print('up', flush=True); time.sleep(600)",
    *SLEEPER,
]
# Owns what its arguments name and then dies without a word.
LAB = """
import os, signal, sys
from pathlib import Path
from lab.reaper import Reaper
reaper = Reaper.start(Path(sys.argv[1]))
for pid in sys.argv[3:]:
    reaper.own({"process": int(pid)})
reaper.own({"folder": sys.argv[2]})
print(reaper.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts processes in sessions of their own, and ends whatever a test leaves of them."""
    started: list[subprocess.Popen[bytes]] = []

    def start(command: list[str] = SLEEPER, cwd: Path = tmp_path) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(command, cwd=cwd, start_new_session=True, stdout=subprocess.PIPE))
        return started[-1]

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def gone(pid: int, within_s: float = 15.0) -> bool:
    deadline, waker = time.monotonic() + within_s, threading.Event()
    while time.monotonic() < deadline:
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                waker.wait(0.02)
                continue
        return True
    return False


def test_nothing_survives_a_lab_that_is_killed(
    tmp_path: Path, sleeper: Callable[..., subprocess.Popen[bytes]]
) -> None:
    run, scratch = tmp_path / "run", tmp_path / "scratch"
    run.mkdir()
    (scratch / "data").mkdir(parents=True)
    parent = sleeper(PARENT)
    assert parent.stdout is not None and parent.stdout.readline() == b"up\n"
    child = psutil.Process(parent.pid).children()[0]
    frozen = sleeper()
    os.kill(frozen.pid, signal.SIGSTOP)
    unnamed = sleeper(cwd=scratch / "data")  # started by the lab, which died before it could say so

    owned = [str(parent.pid), str(frozen.pid)]
    lab = subprocess.run(
        [sys.executable, "-c", LAB, str(run), str(scratch), *owned],
        capture_output=True,
        text=True,
        check=False,
    )
    assert lab.returncode == -signal.SIGKILL, lab.stderr

    log = (run / LOG).read_text
    assert gone(int(lab.stdout)), log()
    assert gone(parent.pid) and gone(child.pid) and gone(frozen.pid) and gone(unnamed.pid), log()
    assert not scratch.exists(), log()


def test_the_same_is_done_from_the_file_when_the_reaper_died_too(
    tmp_path: Path, sleeper: Callable[..., subprocess.Popen[bytes]]
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = sleeper()
    reaper = Reaper.start(tmp_path)
    os.kill(reaper.pid, signal.SIGKILL)
    assert gone(reaper.pid)
    reaper.own({"process": process.pid})
    reaper.own({"folder": str(scratch)})
    reaper.close()
    with (tmp_path / RESOURCES).open("a") as torn:
        torn.write('{"own": {"fol')

    said: list[str] = []
    removed = reap(recorded(tmp_path), report=said.append)

    assert gone(process.pid) and not scratch.exists()
    assert len(removed) == 2 and said == removed
    assert reap(recorded(tmp_path), report=said.append) == []


def test_a_process_that_only_has_the_number_is_left_alone(
    tmp_path: Path, sleeper: Callable[..., subprocess.Popen[bytes]]
) -> None:
    process = sleeper()
    reaper = Reaper.start(tmp_path)
    reaper.own({"process": process.pid})
    (own,) = recorded(tmp_path)
    earlier = {**own, "started": own["started"] - 3600}
    before_reboot = {**own, "boot": "another"}
    groups = [{**one, "process_group": one["process"]} for one in (earlier, before_reboot)]
    for one in groups:
        del one["process"]

    assert reap([earlier, before_reboot, *groups], report=print) == []
    assert process.poll() is None

    reaper.close()  # the right record, in turn, ends it
    assert gone(process.pid)


def test_a_group_ends_after_its_leader_has(
    tmp_path: Path, sleeper: Callable[..., subprocess.Popen[bytes]]
) -> None:
    leader = sleeper(PARENT)
    assert leader.stdout is not None and leader.stdout.readline() == b"up\n"
    child = psutil.Process(leader.pid).children()[0]
    reaper = Reaper.start(tmp_path)
    reaper.own({"process_group": leader.pid})
    leader.kill()
    leader.wait()
    assert child.is_running()
    reaper.close()
    assert gone(child.pid)


def test_what_is_released_outlives_the_run(
    tmp_path: Path, sleeper: Callable[..., subprocess.Popen[bytes]]
) -> None:
    process = sleeper()
    reaper = Reaper.start(tmp_path)
    reaper.own({"process": process.pid, "id": "kept"})
    reaper.release("kept")
    reaper.close()
    assert process.poll() is None and recorded(tmp_path) == []


def test_signals_that_end_a_lab_do_not_end_its_reaper(tmp_path: Path) -> None:
    reaper = Reaper.start(tmp_path)
    process = psutil.Process(reaper.pid)
    deadline, waker = time.monotonic() + 10, threading.Event()
    ignored = 0
    wanted = sum(1 << (number - 1) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    while ignored & wanted != wanted and time.monotonic() < deadline:
        status = Path(f"/proc/{reaper.pid}/status").read_text()
        ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
        waker.wait(0.02)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(reaper.pid, number)
    assert process.is_running() and os.getsid(reaper.pid) == reaper.pid != os.getsid(0)
    reaper.close()
    assert gone(reaper.pid)
