"""One server of an arm as a container: started, frozen, killed, counted and read."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.stacks._cgroup import anonymous_bytes, cpu_seconds, memory_bytes
from lab.stacks._disk import disk_words
from lab.stacks._docker import docker_words, is_up
from lab.stacks._ready import tail

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

_ASKED_S = 5
_KILLED_S = 20


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
            with docker_words(f"killing {self.service}"):
                self._container.kill("SIGKILL")
                self._container.wait(timeout=_KILLED_S)

    def start(self) -> None:
        if not self.alive():
            with docker_words(f"starting {self.service}"):
                self._container.start()

    def restart(self) -> None:
        """Asked to end, then started."""
        if self.alive():
            self._count()
        with docker_words(f"restarting {self.service}"):
            self._container.restart(timeout=_ASKED_S)

    def pause(self) -> None:
        self._turn("running", "pause")

    def unpause(self) -> None:
        self._turn("paused", "unpause")

    def _turn(self, when: str, act: str) -> None:
        with docker_words(f"{act} of {self.service}"):
            self._container.reload()
            if self._container.status == when:
                getattr(self._container, act)()

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
        """From the engine while the container is there, then from the file that ``end`` has written."""
        import docker

        if self.made._container is not None:
            with contextlib.suppress(docker.errors.APIError):
                said: bytes = self._container.logs(tail=lines)
                return said.decode(errors="replace").rstrip("\n")
        return tail(self.log, lines)

    def end(self) -> None:
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
