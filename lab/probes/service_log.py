"""The last lines of a service's log, where a person looks first."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Evidence, Running, ServiceName


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ServiceLog:
    """The last ``lines`` lines that ``service`` (app, postgres or redis) has logged."""

    service: ServiceName
    lines: int = 20

    needs: ClassVar[frozenset[str]] = frozenset()

    def capture(self, running: Running) -> Evidence:
        """The lines as they are."""
        return Evidence(
            title=f"Log of {self.service}",
            command=f"tail -n {self.lines} {self.service}.log",
            text=running.logs(self.service, self.lines) or "nothing logged",
            kind="service-log",
        )
