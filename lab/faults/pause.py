"""A service stands still: it takes connections, and answers none. What a hung machine looks like to its clients."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.faults._service import answers, need_up
from lab.model.dose import Dose
from lab.model.stack import Running, ServiceName

_WATCHED_S = 0.2


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Pause:
    """Stop all processes of ``service`` where they are; healed by letting them go on."""

    service: ServiceName

    needs: ClassVar[frozenset[str]] = frozenset({"pause"})
    event: ClassVar[str | None] = None

    @property
    def target(self) -> str:
        """The service."""
        return self.service

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"resume": service}``. Raises EnvironmentFailed where it is not up."""
        need_up(running, self.service)
        return {"resume": self.service}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Pause the service, yield ``{"paused": service}``, have it go on. One that was started anew goes."""
        need_up(running, self.service)
        life = running.life(self.service)
        try:
            running.pause(self.service)
            yield {"paused": self.service}
        finally:
            if running.life(self.service) == life:
                running.resume(self.service)

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """Its CPU time stands still over 200 ms, and what connects meanwhile gets no answer."""
        before = running.cpu_seconds(self.service)
        answered = answers(running, self.service, _WATCHED_S)
        threading.Event().wait(_WATCHED_S if answered else 0)
        used_ms = (running.cpu_seconds(self.service) - before) * 1e3
        return (
            Dose(what="answers within 200 ms", unit="of 1", asked=0, delivered=float(answered)),
            Dose(what="CPU time in 200 ms", unit="ms", asked=0, delivered=used_ms, slack=2, counts="at-most"),
        )
