"""One server of an arm as a process of this machine: started, frozen, killed, counted and read."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from lab.reaper.processes import children, end_processes
from lab.stacks._ready import tail

_NICE = 5


@dataclass(kw_only=True)
class Server:
    """A service that can be started again and again with the same command, folder and port.

    ``ask`` is the signal with which it ends by itself, for good; None kills it at once. ``port`` is the
    port that it listens on.
    """

    service: str
    command: Sequence[str]
    folder: Path
    log: Path
    port: int
    own: Callable[[Mapping[str, Any]], None]
    stdin: bytes | None = None
    user: int | None = None
    group: int | None = None
    environment: Mapping[str, str] | None = None
    ask: str | None = None
    _popen: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _cpu_ended_s: float = field(default=0.0, init=False)
    _cpu_last_s: float = field(default=0.0, init=False)

    def spawn(self) -> None:
        """Start the process; it does not answer yet."""
        self._cpu_ended_s += self._cpu_last_s
        self._cpu_last_s = 0.0
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE if self.stdin is not None else subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self.environment,
                start_new_session=True,  # Ctrl-C is for the lab, which then ends its servers in order
                user=self.user,
                group=self.group,
                extra_groups=None if self.user is None else [],
            )
        record = {"process": self._popen.pid}
        self.own(record if self.ask is None else {**record, "signal": self.ask})
        # Below the load generator's priority: on shared cores a busy server would else delay the very
        # requests that are to measure it, and the latency of waiting would pass for the server's own.
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(self._popen.pid).nice(_NICE)
        if self.stdin is not None and self._popen.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it died at once; its log says why
                self._popen.stdin.write(self.stdin)
                self._popen.stdin.close()

    def alive(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def kill(self) -> None:
        """SIGKILL to the whole tree; returns when it is gone."""
        self._end(None, 0)

    def end(self, ask: str | None, asked_s: float) -> None:
        """Ask with a signal, then kill; returns when the whole tree is gone. Nothing where it is down."""
        self._end(ask, asked_s)

    def _end(self, ask: str | None, asked_s: float) -> None:
        if self._popen is None:
            return
        if self.alive():
            self.cpu_seconds()
            end_processes(self._tree(), ask=ask, asked_s=asked_s)
        self._popen.wait()

    def freeze(self) -> None:
        """SIGSTOP to the process, then to its children, which it can then no longer add to."""
        for process in self._tree():
            _send(process, signal.SIGSTOP)

    def thaw(self) -> None:
        for process in self._tree()[::-1]:
            _send(process, signal.SIGCONT)

    def cpu_seconds(self) -> float:
        """User and system time of all processes that this service ever had, as far as they were seen."""
        now = sum(map(_cpu_of, self._tree())) if self.alive() else 0.0
        self._cpu_last_s = max(now, self._cpu_last_s)
        return self._cpu_ended_s + self._cpu_last_s

    def memory_mb(self) -> float:
        """Anonymous memory of all its processes, in MB; 0.0 where it is down."""
        if self._popen is None or not self.alive():
            return 0.0
        try:
            pids = _pids_from(self._popen.pid)
        except OSError:  # a kernel that does not list children; to ask every process takes milliseconds
            pids = [process.pid for process in self._tree()]
        return sum(map(_anonymous_bytes, pids)) / 1e6

    def last_lines(self, lines: int) -> str:
        return tail(self.log, lines)

    def _tree(self) -> list[psutil.Process]:
        """The process and all below it, itself stopped or not; empty where it is down."""
        if self._popen is None or not self.alive():
            return []
        try:
            root = psutil.Process(self._popen.pid)
        except psutil.NoSuchProcess:
            return []
        return [root, *children(root)]


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _cpu_of(process: psutil.Process) -> float:
    """Its own time and that of children that have ended, in seconds."""
    try:
        return float(sum(process.cpu_times()[:4]))
    except psutil.NoSuchProcess:
        return 0.0


def _pids_from(root: int) -> list[int]:
    """A process and all below it. Raises OSError where Linux does not tell, or the process has ended."""
    threads = Path(f"/proc/{root}/task").iterdir()
    own = [(thread / "children").read_text() for thread in threads]
    found = [root]
    for child in " ".join(own).split():
        with contextlib.suppress(OSError):  # it has ended meanwhile
            found += _pids_from(int(child))
    return found


def _anonymous_bytes(pid: int) -> int:
    """What the kernel calls RssAnon; elsewhere what nobody shares. 0 where the process has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        status = ""
    found = status.partition("RssAnon:")[2].split(maxsplit=1)
    if found:
        return int(found[0]) * 1024
    try:
        return int(psutil.Process(pid).memory_full_info().uss)
    except psutil.Error:
        return 0
