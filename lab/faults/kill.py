"""A service dies: SIGKILL, no goodbye, connections reset and the port closed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.faults._service import gone, need_up, start_again
from lab.model.dose import Dose
from lab.model.stack import Running, ServiceName


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Kill:
    """Kill ``service`` (redis, postgres or app); healed by starting it again on its old address."""

    service: ServiceName

    needs: ClassVar[frozenset[str]] = frozenset({"kill"})
    event: ClassVar[str | None] = None

    @property
    def target(self) -> str:
        """The service."""
        return self.service

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"start": service}``. Raises EnvironmentFailed where it is not up."""
        need_up(running, self.service)
        return {"start": self.service}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Kill the service, yield ``{"killed": service}``, start it again unless somebody did."""
        need_up(running, self.service)
        try:
            running.kill(self.service)
            yield {"killed": self.service}
        finally:
            start_again(running, self.service)

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """Its processes are gone, and connections are refused."""
        return gone(running, self.service)
