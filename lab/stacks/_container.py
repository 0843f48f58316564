"""One server of an arm as a container: started, frozen, killed, counted and read."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.stacks._cgroup import NO_LIMIT, anonymous_bytes, cpu_seconds, holds, memory_bytes, memory_limit_bytes
from lab.stacks._companion import COMPANION, refused
from lab.stacks._disk import disk_words
from lab.stacks._docker import docker_words, is_up
from lab.stacks._ready import tail
from lab.stacks._tree import tree

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

_KILLED_S = 20
_LEAST_S = 0.01
_BY_SIGKILL = 128 + 9
_PERIOD_US = 20_000


@dataclass(kw_only=True)
class Service:
    """A container that can be started again and again, on the same address with the same data.

    Errors of the engine come out as EnvironmentFailed.
    """

    service: str
    made: DockerContainer
    log: Path
    _cpu_ended_s: float = field(default=0.0, init=False)
    _cpu_last_s: float = field(default=0.0, init=False)
    _frozen: bool = field(default=False, init=False)
    _pauses: int = field(default=0, init=False)
    _beside: list[str] = field(default_factory=list, init=False)

    def create(self) -> None:
        """Make the container and start it; it does not answer yet."""
        with docker_words(f"starting {self.service}"):
            self.made.start()

    @property
    def _container(self) -> Any:
        return self.made.get_wrapped_container()

    def alive(self) -> bool:
        with docker_words(f"looking at {self.service}"):
            return is_up(self._container)

    def kill(self) -> None:
        """SIGKILL; returns when it is gone. Nothing where it is down."""
        if self.alive():
            self._count()
            self._go_on()
            with docker_words(f"killing {self.service}"):
                self._container.kill("SIGKILL")
                self._container.wait(timeout=_KILLED_S)

    def start(self) -> None:
        if not self.alive():
            self._pauses = 0
            with docker_words(f"starting {self.service}"):
                self._container.start()

    def write(self, path: str, content: bytes) -> None:
        """Put a file into the container, up or down."""
        with docker_words(f"writing a file of {self.service}"):
            self.made.copy_into_container(content, path)

    def remove_file(self, path: str) -> None:
        """Up, it is removed. Down or paused nothing can run in it: an empty file in its place frees the room too."""
        with docker_words(f"looking at {self.service}"):
            self._container.reload()
            up = self._container.status == "running"
        if up:
            self.run(["rm", "-f", path])
        else:
            self.write(path, b"")

    def end(self, ask: str, grace_s: float) -> str:
        """Ask with a signal, wait, then kill; how it ended."""
        import requests

        if not self.alive():
            return "by itself"
        self._count()
        self._go_on()
        with docker_words(f"ending {self.service}"):
            self._container.kill(ask)
            with contextlib.suppress(requests.ConnectionError, requests.Timeout):  # it takes its time
                self._container.wait(timeout=max(grace_s, _LEAST_S))
        self.kill()
        with docker_words(f"looking at {self.service}"):
            self._container.reload()
            return "killed" if self._container.attrs["State"]["ExitCode"] == _BY_SIGKILL else "by itself"

    def life(self) -> str:
        with docker_words(f"looking at {self.service}"):
            if not is_up(self._container):
                return ""
            return f"{self._container.short_id} since {self._container.attrs['State']['StartedAt']}"

    def pids(self, *, beside: bool = False) -> list[int]:
        """As this machine numbers them: none where the engine runs on another one, or in a machine of its own."""
        with docker_words(f"looking at {self.service}"):
            if not is_up(self._container):
                return []
            roots = [self._container.attrs["State"]["Pid"]]
            if beside:
                roots = [self._container.client.api.exec_inspect(one)["Pid"] for one in self._beside]
            seen = [root for root in roots if root and holds(root, self._container.id)]
        return [pid for root in seen for pid in tree(root)]

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

    def _go_on(self) -> None:
        """A paused container takes neither a signal nor a new start."""
        self._pauses = 0
        self._settle()

    def _settle(self) -> None:
        if self._frozen or self._pauses:
            self._turn("running", "pause")
        else:
            self._turn("paused", "unpause")

    def _turn(self, when: str, act: str) -> None:
        with docker_words(f"{act} of {self.service}"):
            self._container.reload()
            if self._container.status == when:
                getattr(self._container, act)()

    @contextlib.contextmanager
    def limit_cpu(self, cores: float) -> Iterator[Mapping[str, Any]]:
        """A quota of each 20 ms: of 100 ms, the usual, a service would be gone for 80 at a time."""
        bound = {"cpu_period": _PERIOD_US, "cpu_quota": round(cores * _PERIOD_US)}
        with self._updated(bound, {"cpu_period": 100_000, "cpu_quota": -1}):
            yield {"cores": cores, "by": "container"}

    @contextlib.contextmanager
    def limit_memory(self, size: float) -> Iterator[Mapping[str, Any]]:
        """Of memory with swap, which would else take what is over it. No engine takes such a limit back."""
        bound = {"mem_limit": int(size), "memswap_limit": int(size)}
        with self._updated(bound, {"mem_limit": NO_LIMIT, "memswap_limit": NO_LIMIT}):
            yield {"bytes": int(size), "by": "container"}

    @contextlib.contextmanager
    def _updated(self, settings: Mapping[str, int], back: Mapping[str, int]) -> Iterator[None]:
        """The containers of an arm are made without limits: ``back`` is what they had."""
        try:
            with docker_words(f"limiting {self.service}"):
                self._container.update(**settings)
            yield
        finally:
            with docker_words(f"taking the limit of {self.service} back"):
                self._container.update(**back)

    def memory_limit(self) -> float | None:
        """As the kernel holds it; where that is out of reach, as the engine does."""
        with docker_words(f"looking at {self.service}"):
            self._container.reload()
            state, told = self._container.attrs["State"], self._container.attrs["HostConfig"]["Memory"]
        if holds(state["Pid"], self._container.id):
            return memory_limit_bytes(state["Pid"], self._container.id)
        return float(told) if 0 < told < NO_LIMIT else None

    @contextlib.contextmanager
    def beside(self, command: Sequence[str]) -> Iterator[None]:
        """A program in the container, whose input ends with the lab: see ``COMPANION``."""
        with docker_words(f"starting {command[0]} beside {self.service}"):
            api = self._container.client.api
            ident = api.exec_create(self._container.id, [*COMPANION, *command], stdin=True)["Id"]
            line = api.exec_start(ident, socket=True)
        self._beside.append(ident)
        try:
            yield
        finally:
            self._beside.remove(ident)
            with contextlib.suppress(OSError):  # it has ended, with its container perhaps
                line._sock.shutdown(socket.SHUT_WR)
                line._sock.settimeout(_KILLED_S)
                while line._sock.recv(4096):
                    pass
            line.close()

    def run(self, command: Sequence[str]) -> str:
        with docker_words(f"{command[0]} beside {self.service}"):
            code, said = self._container.exec_run(list(command))
        if code:
            raise refused(self.service, command, said.decode(errors="replace"))
        return str(said.decode(errors="replace"))

    def cpu_seconds(self) -> float:
        """Of all the lives of the container: kernel and engine count from its last start."""
        with docker_words(f"reading the CPU time of {self.service}"):
            self._container.reload()
            now = cpu_seconds(self._container.attrs["State"]["Pid"], self._container.id)
            if now is None:
                usage = self._container.stats(stream=False, one_shot=True)["cpu_stats"]["cpu_usage"]
                now = usage.get("total_usage", 0) / 1e9
        self._cpu_last_s = max(now, self._cpu_last_s)
        return self._cpu_ended_s + self._cpu_last_s

    def _count(self) -> None:
        self._cpu_ended_s = self.cpu_seconds()
        self._cpu_last_s = 0.0

    def memory_mb(self) -> float:
        """Anonymous memory, from the kernel, or where that is out of reach from the engine; 0.0 where it is down."""
        with docker_words(f"reading the memory of {self.service}"):
            self._container.reload()
            if self._container.status not in ("running", "paused"):
                return 0.0
            now = memory_bytes(self._container.attrs["State"]["Pid"], self._container.id)
            if now is None:
                account = self._container.stats(stream=False, one_shot=True).get("memory_stats", {})
                now = anonymous_bytes(account.get("stats", {}))
        return (now or 0) / 1e6

    def last_lines(self, lines: int) -> str:
        """From the engine while the container is there, then from the file that ``remove`` has written."""
        import docker

        if self.made._container is not None:
            with contextlib.suppress(docker.errors.APIError):
                said: bytes = self._container.logs(tail=lines)
                return said.decode(errors="replace").rstrip("\n")
        return tail(self.log, lines)

    def remove(self) -> None:
        """Keep the log, then remove the container by force. Nothing where there is none."""
        import docker

        if self.made._container is None:
            return
        with docker_words(f"removing {self.service}"), contextlib.suppress(docker.errors.NotFound):
            with disk_words(self.log.parent), self.log.open("wb") as log:
                for part in self._container.logs(stream=True, follow=False):
                    log.write(part)
            self.made.stop()
        self.made._container = None
