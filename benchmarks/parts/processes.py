"""Child processes that stand on a core of their own, talk in lines of JSON, and end with their parent."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import EnvironmentFailed

BENCHMARKS = Path(__file__).resolve().parents[1]
_ANSWER_S = 30.0
_LOG_LINES = 10
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cores:
    """Where the server and where the generator stands."""

    server: int
    generator: int


def cores() -> Cores:
    """The first and the last core that this process may use. EnvironmentFailed where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise EnvironmentFailed(
            "a benchmark needs two cores",
            where=f"{len(usable)} usable",
            why="a generator that shares a core with its server measures both",
            do="run it on a machine with two cores or more",
        )
    return Cores(usable[0], usable[-1])


@contextlib.contextmanager
def standing(core: int, *, realtime: bool = False, priority: int = 1) -> Iterator[None]:
    """Whatever is started inside inherits that core, and realtime scheduling where it is asked for."""
    before, policy, given = os.sched_getaffinity(0), os.sched_getscheduler(0), os.sched_getparam(0)
    os.sched_setaffinity(0, {core})
    if realtime:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(priority))
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, given)
        os.sched_setaffinity(0, before)


def move(pid: int, core: int) -> None:
    """Put a running process, with all its threads, on a core."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def may_be_realtime() -> bool:
    """Whether this process may give its children realtime scheduling."""
    policy, given = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        return False
    os.sched_setscheduler(0, policy, given)
    return True


def cpu_s(pid: int) -> float:
    """User and system time of a live process so far, in ticks of (mostly) 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A command that ran to its end: what it printed and the CPU seconds that it took."""

    printed: str
    cpu_s: float


def run_to_end(command: Sequence[str], deadline_s: float) -> Ended:
    """Run it; EnvironmentFailed where it fails or is not done in time.

    Its CPU time is what this process's ended children gained, so nothing else may end meanwhile.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=deadline_s, check=False)
    except subprocess.TimeoutExpired:
        raise EnvironmentFailed(f"{command[0]} did not end", why=f"not within {deadline_s:.0f} s") from None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        why = "\n".join((done.stdout + done.stderr).splitlines()[-_LOG_LINES:])
        raise EnvironmentFailed(f"{command[0]} failed (status {done.returncode})", why=why)
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Ended(printed=done.stdout, cpu_s=took)


class Child:
    """A module of ``parts`` in a process of its own: asked by a line of JSON, answering by another."""

    def __init__(self, module: str, *arguments: str, log: Path) -> None:
        self._log = log
        self._rest = b""
        with log.open("ab") as notes:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"parts.{module}", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=notes,
                cwd=BENCHMARKS,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, question: object, deadline_s: float = _ANSWER_S) -> Any:
        """Say something and wait for the answer."""
        self.tell(question)
        return self.hear(deadline_s)

    def tell(self, question: object) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the missing answer says it
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()

    def hear(self, deadline_s: float = _ANSWER_S) -> Any:
        """The next line; EnvironmentFailed with the end of the log where none comes."""
        assert self._process.stdout is not None
        end = time.monotonic() + deadline_s
        while b"\n" not in self._rest:
            heard, _, _ = select.select([self._process.stdout], [], [], max(0.0, end - time.monotonic()))
            part = os.read(self._process.stdout.fileno(), 1 << 20) if heard else b""
            if not part:
                why = "\n".join(self._log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
                what = "a helper of the benchmark " + ("ended" if heard else "did not answer in time")
                raise EnvironmentFailed(what, where=self._log.name, why=why or "its log is empty")
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)

    def close(self) -> None:
        """Its input ends, and so does it. Safe to call twice."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
