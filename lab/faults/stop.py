"""A service is shut down as an administrator does it: asked, given time to end, killed only after that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.faults._service import gone, need_up, start_again
from lab.model.dose import Dose
from lab.model.stack import Running, ServiceName
from lab.model.units import Seconds


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Stop:
    """Ask ``service`` to end (SIGTERM; Postgres: a fast shutdown), kill it after ``grace``; healed by a start."""

    service: ServiceName
    grace: Seconds = 5.0

    needs: ClassVar[frozenset[str]] = frozenset({"stop"})
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
        """End the service, yield ``{"stopped": service, "ended": "by itself" or "killed"}``, start it again
        unless somebody did."""
        need_up(running, self.service)
        try:
            yield {"stopped": self.service, "ended": running.end(self.service, self.grace)}
        finally:
            start_again(running, self.service)

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """Its processes are gone, and connections are refused."""
        return gone(running, self.service)
