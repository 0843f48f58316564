"""One server of an arm as a process of this machine: started, frozen, killed, counted and read."""

from __future__ import annotations

import contextlib
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from lab.errors import EnvironmentFailed
from lab.reaper.processes import children, end_processes
from lab.stacks._companion import COMPANION, end_group, ending, refused
from lab.stacks._cpu_group import CpuGroup
from lab.stacks._ready import tail
from lab.stacks._stop_and_go import StopAndGo
from lab.stacks._tree import anonymous_bytes, cpu_seconds, data_limit, each, go_on, stand_still, tree

_NICE = 5
_RUN_S = 60


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
    _cpu_beside_s: float = field(default=0.0, init=False)
    _frozen: bool = field(default=False, init=False)
    _pauses: int = field(default=0, init=False)
    _cpu: CpuGroup | StopAndGo | None = field(default=None, init=False)
    _memory: int | None = field(default=None, init=False)
    _beside: list[int] = field(default_factory=list, init=False)

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
                start_new_session=True,  # Ctrl-C is for the lab, which then ends its servers in order
                **self._as_the_service(),
            )
        record = {"process": self._popen.pid}
        self.own(record if self.ask is None else {**record, "signal": self.ask})
        self._pauses = 0
        if not self._frozen:
            self._settle()
        self._confine(self._popen.pid)
        if self.stdin is not None and self._popen.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it died at once; its log says why
                self._popen.stdin.write(self.stdin)
                self._popen.stdin.close()

    def alive(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def kill(self) -> None:
        """SIGKILL to the whole tree; returns when it is gone."""
        self._end(None, 0)

    def end(self, ask: str | None, asked_s: float) -> str:
        """Ask with a signal, then kill; returns when the whole tree is gone. Nothing where it is down."""
        if not self.alive():
            return "by itself"
        self._end(ask, asked_s)
        killed = self._popen is not None and self._popen.returncode == -signal.SIGKILL
        return "killed" if killed else "by itself"

    def _end(self, ask: str | None, asked_s: float) -> None:
        if self._popen is None:
            return
        if self.alive():
            self.cpu_seconds()
            first = psutil.Process(self._popen.pid)
            with ending(self.service):
                end_processes([first, *children(first)], ask=ask, asked_s=asked_s)
        self._popen.wait()

    def freeze(self) -> None:
        self._frozen = True
        self._settle()

    def thaw(self) -> None:
        self._frozen = False
        self._settle()

    def pause(self) -> None:
        self._pauses += 1
        self._settle()

    def resume(self) -> None:
        self._pauses = max(0, self._pauses - 1)
        self._settle()

    def _settle(self) -> None:
        """Have all processes stand still or go on, as they should now."""
        if self._frozen or self._pauses:
            if self._cpu is not None:
                self._cpu.hold()
            stand_still(self._roots())
        else:
            go_on(self._roots())
            if self._cpu is not None:
                self._cpu.let_go()

    @contextlib.contextmanager
    def limit_cpu(self, cores: float) -> Iterator[Mapping[str, Any]]:
        """By a control group, or where none can be made by stopping it for a part of each 20 ms."""
        self._cpu = CpuGroup.made(cores, self.own) or StopAndGo(cores, self.own)
        try:
            self._settle()  # before it takes any: what stands still must not be sent on its way
            for root in self._roots():
                self._cpu.take(root)
            yield {"cores": cores, "by": self._cpu.by}
        finally:
            ended, self._cpu = self._cpu, None
            ended.close()
            self._settle()

    @contextlib.contextmanager
    def limit_memory(self, size: float) -> Iterator[Mapping[str, Any]]:
        """By the kernel's bound of each process's private memory: RLIMIT_DATA."""
        self._memory = int(size)
        try:
            each(self._roots(), self._bound_memory)
            yield {"bytes": self._memory, "by": "resource limit"}
        finally:
            self._memory = None
            each(self._roots(), self._bound_memory)

    def _bound_memory(self, pid: int) -> None:
        """As the user of the service: root alone may not do it to others' processes, without a right of its own."""
        soft = resource.getrlimit(resource.RLIMIT_DATA)[0] if self._memory is None else self._memory
        named = "unlimited" if soft == resource.RLIM_INFINITY else str(soft)
        try:
            self.run(["prlimit", "--pid", str(pid), f"--data={named}:"])
        except EnvironmentFailed:
            if psutil.pid_exists(pid):
                raise

    def memory_limit(self) -> float | None:
        limits = [data_limit(pid) for pid in self.pids()]
        return max((limit for limit in limits if limit is not None), default=None)

    @contextlib.contextmanager
    def beside(self, command: Sequence[str]) -> Iterator[None]:
        """A process in a session of its own, whose input ends with the lab: see ``COMPANION``."""
        popen = subprocess.Popen(
            [*COMPANION, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **self._as_the_service(),
        )
        self._beside.append(popen.pid)
        try:
            self.own({"process_group": popen.pid})
            self._confine(popen.pid)
            yield
        finally:
            self._beside.remove(popen.pid)
            self._cpu_beside_s += end_group(popen, self.service)

    def run(self, command: Sequence[str]) -> str:
        try:
            ran: subprocess.CompletedProcess[str] = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=_RUN_S, **self._as_the_service()
            )
        except (subprocess.TimeoutExpired, OSError) as error:
            raise refused(self.service, command, str(error)) from error
        if ran.returncode:
            raise refused(self.service, command, ran.stdout + ran.stderr)
        return ran.stdout

    def _as_the_service(self) -> dict[str, Any]:
        """Where and as whom its programs run."""
        groups: list[int] | None = None if self.user is None else []
        return {
            "cwd": self.folder,
            "env": self.environment,
            "user": self.user,
            "group": self.group,
            "extra_groups": groups,
        }

    def _confine(self, pid: int) -> None:
        """A new process is put under what holds for the service."""
        # Below the load generator's priority: on shared cores a busy server would else delay the very
        # requests that are to measure it, and the latency of waiting would pass for the server's own.
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).nice(_NICE)
            if self._cpu is not None:
                self._cpu.take(pid)
            if self._memory is not None:
                self._bound_memory(pid)

    def cpu_seconds(self) -> float:
        """User and system time of all processes that this service ever had, as far as they were seen."""
        now = sum(map(cpu_seconds, self.pids()))
        self._cpu_last_s = max(now, self._cpu_last_s)
        beside = sum(map(cpu_seconds, self.pids(beside=True)))
        return self._cpu_ended_s + self._cpu_last_s + self._cpu_beside_s + beside

    def memory_mb(self) -> float:
        """Anonymous memory of all its processes, in MB; 0.0 where it is down."""
        return sum(map(anonymous_bytes, self.pids())) / 1e6

    def life(self) -> str:
        with contextlib.suppress(psutil.NoSuchProcess, IndexError):
            return f"{self.pids()[0]} since {psutil.Process(self.pids()[0]).create_time()}"
        return ""

    def last_lines(self, lines: int) -> str:
        return tail(self.log, lines)

    def pids(self, *, beside: bool = False) -> list[int]:
        """Of its processes or of those beside it, stopped ones too, the first one first."""
        if beside:
            return [pid for root in self._beside for pid in tree(root)]
        return tree(self._popen.pid) if self._popen is not None and self.alive() else []

    def _roots(self) -> list[int]:
        return [*self.pids()[:1], *self._beside]
