"""Notices when this machine stands still: a process of its own that wants to wake up every 10 ms.

The lab must tell a slow app from a machine that did not run anybody for a while. The heartbeat sees only
the machine: it never looks at a latency, so it treats every arm alike. ``python -m lab.heartbeat FILE``
appends one JSON line ``{"t_ns", "overshoot_ns"}`` for each wake-up more than 50 ms late, and ends with its
standard input. Standard library only, so that it is small and up at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import EnvironmentFailed

_BEAT_S = 0.010
_NOTED_NS = 50_000_000
_ANSWER_S = 10.0
_STAT = Path("/proc/stat")


@dataclass(frozen=True)
class Stall:
    """Nothing ran from ``start_ns`` to ``end_ns`` (CLOCK_MONOTONIC)."""

    start_ns: int
    end_ns: int

    def within(self, start_ns: int, end_ns: int) -> bool:
        """Whether any of it lies in that window."""
        return self.start_ns < end_ns and self.end_ns > start_ns


class Heartbeat:
    """The lab's side of a beating process."""

    def __init__(self, file: Path, process: subprocess.Popen[bytes]) -> None:
        self._file = file
        self._process = process
        self._lock = threading.Lock()
        self._read_to = 0
        self._stalls: list[Stall] = []

    @classmethod
    def start(cls, folder: Path, own: Callable[[Mapping[str, Any]], None]) -> Heartbeat:
        """Start beating; stalls go to ``folder/heartbeat.jsonl``. Returns when the first beat was heard."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder.absolute() / "heartbeat.jsonl"
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "lab.heartbeat", str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            start_new_session=True,
        )
        own({"process": process.pid})
        heartbeat = cls(file, process)
        heartbeat._listen()
        return heartbeat

    @property
    def pid(self) -> int:
        return self._process.pid

    def worst_between(self, start_ns: int, end_ns: int) -> float:
        """Seconds of the longest stall that touches the window; 0.0 where none was above 50 ms.

        Waits for a beat, so that a stall which is still going on counts. EnvironmentFailed where none comes.
        """
        with self._lock:
            self._listen()
            self._read()
            touching = (stall for stall in self._stalls if stall.within(start_ns, end_ns))
            return max((stall.end_ns - stall.start_ns for stall in touching), default=0) / 1e9

    def close(self) -> None:
        """End the process. Safe to call twice."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _listen(self) -> None:
        """Ask for a beat and wait for it: whatever was noted before lies in the file then."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(b".")
            self._process.stdin.flush()
        heard, _, _ = select.select([self._process.stdout], [], [], _ANSWER_S)
        if not heard or not os.read(self._process.stdout.fileno(), 1):
            raise EnvironmentFailed(
                "the heartbeat stopped",
                where=f"process {self._process.pid}",
                why=f"no beat within {_ANSWER_S:.0f} s, so stalls of this machine would go unnoticed",
                do="run it again; if it repeats, this machine kills or freezes processes",
            )

    def _read(self) -> None:
        if not self._file.exists():
            return
        with self._file.open("rb") as lines:
            lines.seek(self._read_to)
            for line in lines:
                noted = json.loads(line)
                self._stalls.append(Stall(noted["t_ns"] - noted["overshoot_ns"], noted["t_ns"]))
            self._read_to = lines.tell()


@dataclass(frozen=True)
class CpuTimes:
    """Time of all processors since boot, in ticks: in all, stolen by the hypervisor, used by programs.

    ``busy`` is user, nice and system time: what programs can be asked about. Interrupts are nobody's.
    """

    total: int
    steal: int
    busy: int = 0


class Cpu:
    """Where the processors' time goes."""

    @staticmethod
    def read() -> CpuTimes:
        """Now; zeros off Linux."""
        return parse_stat(_STAT.read_text()) if _STAT.exists() else CpuTimes(0, 0)


def parse_stat(text: str) -> CpuTimes:
    """The first line of ``/proc/stat``. Guest time is left out of the sum: user time holds it already."""
    ticks = [int(field) for field in text.splitlines()[0].split()[1:9]]
    return CpuTimes(sum(ticks), ticks[7] if len(ticks) == 8 else 0, sum(ticks[:3]))


def steal_share(before: CpuTimes, after: CpuTimes) -> float:
    """Share of all processors' time that was stolen between two readings; 0.0 where it is not known."""
    passed = after.total - before.total
    return max(0.0, (after.steal - before.steal) / passed) if passed > 0 else 0.0


def main() -> None:
    """Beat until standard input ends."""
    file = Path(sys.argv[1])
    last_ns = time.monotonic_ns()
    while True:
        # Waiting for input is the sleep: it ends early for a question and when the lab is gone.
        asked, _, _ = select.select([0], [], [], _BEAT_S)
        now_ns = time.monotonic_ns()
        overshoot_ns = now_ns - last_ns - round(_BEAT_S * 1e9)
        last_ns = now_ns
        if overshoot_ns > _NOTED_NS:
            with file.open("a") as notes:
                notes.write(json.dumps({"t_ns": now_ns, "overshoot_ns": overshoot_ns}) + "\n")
        if asked and not _answer():
            return


def _answer() -> bool:
    """Say one beat for each question; False where nobody can ask any more."""
    questions = os.read(0, 64)
    try:
        os.write(1, questions)
    except BrokenPipeError:
        return False
    return bool(questions)


if __name__ == "__main__":
    main()
