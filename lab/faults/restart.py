"""A service is restarted: asked to end, then started on its old address. Its connections are gone, and its caches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.faults._service import need_up, start_again
from lab.model.dose import Dose
from lab.model.stack import Running, ServiceName

_lives: MutableMapping[Running, dict[str, str]] = WeakKeyDictionary()  # before each service's last restart


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Restart:
    """Restart ``service``; it passes by itself. Redis comes back empty."""

    service: ServiceName

    needs: ClassVar[frozenset[str]] = frozenset({"restart"})
    event: ClassVar[str | None] = "restart"

    @property
    def target(self) -> str:
        """The service."""
        return self.service

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"start": service}``, should it not come back. Raises EnvironmentFailed where it is not up."""
        need_up(running, self.service)
        return {"start": self.service}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Restart the service, yield ``{"restarted": service, "was": ..., "is": ...}``."""
        need_up(running, self.service)
        was = _lives.setdefault(running, {})[self.service] = running.life(self.service)
        try:
            running.restart(self.service)
            yield {"restarted": self.service, "was": was, "is": running.life(self.service)}
        finally:
            start_again(running, self.service)

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """Another process than before answers for it."""
        was, now = _lives.get(running, {}).get(self.service), running.life(self.service)
        new = None if was is None else float(now not in ("", was))
        return (Dose(what="new processes", unit="of 1", asked=1, delivered=new),)
