"""A service gets less memory than it wants: what it asks for beyond the limit it is refused, or killed for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from lab.faults._service import need_up, start_again
from lab.model.dose import Dose
from lab.model.stack import Running, ServiceName
from lab.model.units import Bytes

_PAGE = 4096


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class MemoryLimit:
    """Give ``service`` at most ``bytes`` of memory; healed by taking the limit away.

    In a container that is the memory of all its processes together, and what is over it is killed.
    Embedded it is the private memory of each one, and what is over it is refused: RLIMIT_DATA.
    """

    service: ServiceName
    bytes: Annotated[Bytes, Field(ge=8e6)] = 150e6

    needs: ClassVar[frozenset[str]] = frozenset({"memory-limit"})
    event: ClassVar[str | None] = None

    @property
    def target(self) -> str:
        """The memory of the service."""
        return f"memory of {self.service}"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"unlimit-memory": service}``. Raises EnvironmentFailed where it is not up."""
        need_up(running, self.service)
        return {"unlimit-memory": self.service}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Limit the service, yield the bytes and by what they are bounded; start it again where it was killed."""
        need_up(running, self.service)
        try:
            with running.limit_memory(self.service, self.bytes) as done:
                yield done
        finally:
            start_again(running, self.service)

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """The limit as the kernel holds it."""
        held = running.memory_limit(self.service)
        return (
            Dose(
                what="memory limit of the kernel", unit="bytes", asked=self.bytes, delivered=held, slack=_PAGE
            ),
        )
