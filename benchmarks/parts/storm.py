"""One run that is ended at a random moment, and everything of it that is still there afterwards."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

SCENARIOS = ("stampede", "redis-down", "missing-index")
LOCK = "incident-lab-measuring.lock"  # of the machine, not of a run: it stays, and nobody holds it
LABEL = "incident-lab.run"
GRACE_S, END_S, CLEAN_S = 10.0, 60.0, 120.0
_SET_CHILD_SUBREAPER = 36
_HUNG = -99


@dataclass(frozen=True, kw_only=True)
class Shot:
    """How one run ended. ``left`` lists what was found afterwards, ``said`` the words of the clean-up.

    ``how`` is ``kill`` (SIGKILL of the lab), ``kill-both`` (of its reaper too) or ``interrupt`` (one Ctrl-C).
    ``phase`` is the last line of progress before the end; ``early`` says that the run had ended by itself.
    """

    stack: str
    how: str
    scenario: str
    after_s: float
    phase: str
    code: int
    left: tuple[str, ...] = ()
    said: str = ""
    early: bool = False


@dataclass
class Range:
    """A place for runs of its own: folder, temporary folder, measuring lock.

    It adopts what the runs leave without a parent, so that no process can hide from it.
    """

    folder: Path
    stack: str
    draw: random.Random
    environment: dict[str, str] = field(init=False)
    _told: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.scratch = self.folder / "tmp"
        self.scratch.mkdir(parents=True, mode=0o755)
        self.folder.chmod(0o755)
        self.environment = {**os.environ, "TMPDIR": str(self.scratch)}

    def shoot(self, n: int, how: str, within_s: float) -> Shot:
        """Start a run, end it at a random moment, clean up where that is asked for, look for what is left."""
        out = self.folder / f"reports-{n}"
        scenario = self.draw.choice(SCENARIOS)
        after_s = self.draw.uniform(0.2, within_s)
        with self._running(scenario, n, out) as (process, log):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(after_s)
            phase, early = _last_line(log), process.poll() is not None
            code = self._end(process, how)
        said = "" if how == "interrupt" else self._clean(out)
        left = () if how != "interrupt" or code != _HUNG else ("a run that did not end",)
        left = (*left, *(one for one in self._left(out) if one not in self._told))
        self._told.update(left)  # once is enough
        shutil.rmtree(out, ignore_errors=True)
        return Shot(
            stack=self.stack, how=how, scenario=scenario, after_s=round(after_s, 2), phase=phase, code=code,
            left=left, said=said if left else "", early=early,
        )  # fmt: skip

    @contextlib.contextmanager
    def _running(self, scenario: str, n: int, out: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        log = self.folder / f"run-{n}.log"
        words = [
            "run",
            scenario,
            "--stack",
            self.stack,
            "--out",
            str(out),
            "--seed",
            str(n),
            "--report",
            "json",
        ]
        with log.open("wb") as written:
            process = subprocess.Popen(
                [sys.executable, "-m", "lab", *words],
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=written,
                env=self.environment,
                start_new_session=True,
                preexec_fn=_heed_interrupts,
            )
            try:
                yield process, log
            finally:
                process.kill()
                process.wait()

    def _end(self, process: subprocess.Popen[bytes], how: str) -> int:
        if how == "interrupt":
            process.send_signal(signal.SIGINT)
            try:
                return process.wait(END_S)
            except subprocess.TimeoutExpired:
                return _HUNG
        reapers = _reapers(process.pid) if how == "kill-both" else []
        process.kill()
        for reaper in reapers:
            with contextlib.suppress(psutil.NoSuchProcess):
                reaper.kill()
        return process.wait()

    def _clean(self, out: Path) -> str:
        out.mkdir(exist_ok=True)
        done = subprocess.run(
            [sys.executable, "-m", "lab", "clean", "--out", str(out)],
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=CLEAN_S,
            check=False,
        )
        return f"exit {done.returncode}: {done.stdout}{done.stderr}"

    def _left(self, out: Path) -> tuple[str, ...]:
        """What is there once things had ``GRACE_S`` to go: a reaper may still be at work."""
        waiter, deadline = threading.Event(), time.monotonic() + GRACE_S
        while (found := self._look(out)) and time.monotonic() < deadline:
            waiter.wait(0.1)
        return found

    def _look(self, out: Path) -> tuple[str, ...]:
        _bury()
        children = (one for one in psutil.Process().children(recursive=True))
        return (
            *(f"process {told}" for child in children if (told := _told(child))),
            *(f"folder {path.name}" for path in self.scratch.iterdir() if path.name != LOCK),
            *(f"port {port}" for port in _ports(out) if _listens(port)),
            *(f"control group {path}" for run in _runs(out) for path in _groups(run)),
            *(_in_engine(_runs(out)) if self.stack == "containers" else ()),
        )


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs are born deaf to it


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1].strip()[:80] if lines else "start"


def _reapers(pid: int) -> list[psutil.Process]:
    try:
        children = psutil.Process(pid).children(recursive=True)
        return [child for child in children if "lab.reaper" in child.cmdline()]
    except psutil.NoSuchProcess:
        return []


def _bury() -> None:
    """Take leave of adopted children that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _told(process: psutil.Process) -> str:
    try:
        gone = process.status() == psutil.STATUS_ZOMBIE
        return "" if gone else f"{process.pid}: {' '.join(process.cmdline())[:100]}"
    except psutil.NoSuchProcess:
        return ""


def _events(out: Path) -> Iterator[dict[str, Any]]:
    for path in out.glob("*/events.jsonl"):
        for line in path.read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                yield json.loads(line)


def _ports(out: Path) -> list[int]:
    urls = [str(event["what"]) for event in _events(out) if event.get("kind") == "arm-up"]
    return [port for url in urls if (port := urlsplit(url).port) is not None]


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _runs(out: Path) -> list[str]:
    return [path.parent.name.rpartition("-")[2] for path in out.glob("*/run.lock")]


def _groups(run: str) -> list[str]:
    found = []
    for folder, folders, _ in os.walk("/sys/fs/cgroup"):  # passes over what goes away meanwhile
        found += [f"{folder}/{name}" for name in folders if run in name]
    return found


def _in_engine(runs: Sequence[str]) -> list[str]:
    import docker

    found = []
    with contextlib.closing(docker.from_env(timeout=30)) as engine:
        for run in runs:
            chosen = {"label": f"{LABEL}={run}"}
            containers = engine.containers.list(all=True, filters=chosen, ignore_removed=True)
            found += [f"container {one.short_id}" for one in containers]
            found += [f"network {one.short_id}" for one in engine.networks.list(filters=chosen)]
    return found
