"""What is the same in every arm, whatever its services run in: each of them by its name, and all in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Generic, Protocol, TypeVar

from lab.errors import EnvironmentFailed
from lab.model.stack import ArmSpec, ServiceName
from lab.stacks._ports import HOST
from lab.stacks._postgres import ASK, ASK_OTHERS

_ASKED_S = 5.0


class Served(Protocol):
    """One service of an arm; see ``lab.model.stack.Running`` for what its methods do."""

    def alive(self) -> bool: ...
    def kill(self) -> None: ...
    def end(self, ask: str, grace_s: float) -> str: ...
    def life(self) -> str: ...
    def pids(self, *, beside: bool = False) -> list[int]: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...
    def limit_cpu(self, cores: float) -> AbstractContextManager[Mapping[str, Any]]: ...
    def limit_memory(self, size: float) -> AbstractContextManager[Mapping[str, Any]]: ...
    def memory_limit(self) -> float | None: ...
    def memory_mb(self) -> float: ...
    def beside(self, command: Sequence[str]) -> AbstractContextManager[None]: ...
    def run(self, command: Sequence[str]) -> str: ...
    def last_lines(self, lines: int) -> str: ...


S = TypeVar("S", bound=Served)


class ArmOfServices(Generic[S]):
    """The part of ``lab.model.stack.Running`` that is handed to one service or to all. ``_ports`` are this machine's,
    ``_services`` those that were made so far."""

    name: str
    _made: ArmSpec
    _ports: Mapping[str, int]
    _services: dict[str, S]

    @property
    def services(self) -> tuple[str, ...]:
        return self._made.names

    @property
    def front(self) -> str:
        return self._made.front

    @property
    def instances(self) -> tuple[str, ...]:
        return self._made.apps

    def address(self, service: ServiceName) -> tuple[str, int]:
        if service in self._made.names:
            return HOST, self._ports[service]
        raise self._unknown(service)

    def _one(self, service: ServiceName) -> S:
        if service in self._services:
            return self._services[service]
        raise self._unknown(service)

    def _unknown(self, service: str) -> EnvironmentFailed:
        return EnvironmentFailed(
            what=f"there is no {service} in this stack",
            where=f"arm {self.name}",
            why=f"it has {', '.join(self._made.names)}",
            do="name one of them, or add it to stack.services; stack.instances gives app-1, app-2 and so on",
        )

    def start(self, service: ServiceName) -> None:
        raise NotImplementedError

    def restart(self, service: ServiceName) -> None:
        """As an administrator does it: asked to end, then started. Redis comes back empty."""
        self.end(service, _ASKED_S)
        self.start(service)

    def end(self, service: ServiceName, grace_s: float) -> str:
        return self._one(service).end(ASK.get(service, ASK_OTHERS), grace_s)

    def logs(self, service: ServiceName, lines: int = 20) -> str:
        return self._one(service).last_lines(lines)

    def memory_mb(self, service: ServiceName) -> float:
        return self._one(service).memory_mb()

    def alive(self, service: ServiceName) -> bool:
        return self._one(service).alive()

    def kill(self, service: ServiceName) -> None:
        self._one(service).kill()

    def life(self, service: ServiceName) -> str:
        return self._one(service).life()

    def pids(self, service: ServiceName, *, beside: bool = False) -> tuple[int, ...]:
        return tuple(self._one(service).pids(beside=beside))

    def pause(self, service: ServiceName) -> None:
        self._one(service).pause()

    def resume(self, service: ServiceName) -> None:
        self._one(service).resume()

    def limit_cpu(self, service: ServiceName, cores: float) -> AbstractContextManager[Mapping[str, Any]]:
        return self._one(service).limit_cpu(cores)

    def limit_memory(self, service: ServiceName, size: float) -> AbstractContextManager[Mapping[str, Any]]:
        return self._one(service).limit_memory(size)

    def memory_limit(self, service: ServiceName) -> float | None:
        return self._one(service).memory_limit()

    def beside(self, service: ServiceName, *command: str) -> AbstractContextManager[None]:
        return self._one(service).beside(command)

    def run(self, service: ServiceName, *command: str) -> str:
        return self._one(service).run(command)

    def freeze(self) -> None:
        for name in self._made.names:
            if name in self._services:
                self._services[name].freeze()

    def thaw(self) -> None:
        for name in reversed(self._made.names):
            if name in self._services:
                self._services[name].thaw()
