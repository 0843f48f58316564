"""Sessions of the app are ended by the server, as by an administrator or a failover: it has to reconnect."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.faults._noted import Noted
from lab.faults._postgres import connected, missing
from lab.faults._sessions import app_backends, end_all, until
from lab.model.dose import Dose
from lab.model.stack import Running
from lab.model.units import Seconds

_GONE_S = 1.0
_ENDED: Noted[frozenset[tuple[int, object]]] = Noted()


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class TerminateBackends:
    """End the app's sessions in Postgres, all or those with the application_name ``of``; it passes by itself.

    With ``again``, that time later, also those that the app has opened since.
    """

    of: str | None = None
    again: Seconds | None = None

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})
    event: ClassVar[str | None] = "termination"

    @property
    def target(self) -> str:
        """The sessions."""
        return "sessions of the app" if self.of is None else f"sessions of {self.of}"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """Nothing: the app connects again. Raises EnvironmentFailed where no such session is open."""
        self._backends(running)
        return {}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """End the sessions, yield ``{"terminated": how many}``, those of the second time among them."""
        found = self._backends(running)
        with connected(running, "terminate sessions") as database:
            end_all(database, found)
            if self.again is not None:
                threading.Event().wait(self.again)
                since = [one for one in app_backends(running, database, self.of) if one not in found]
                end_all(database, since)
                found += since
        with _ENDED.kept(running, self.target, frozenset(found)):
            yield {"terminated": len(found)}

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """How many of the sessions that were told to end ``pg_stat_activity`` no longer has."""
        ended = _ENDED.of(running, self.target) or frozenset()

        def still_there() -> int:
            return len(ended & set(app_backends(running, database, self.of)))

        with connected(running, "count sessions") as database:
            until(lambda: not still_there(), _GONE_S)
            gone = len(ended) - still_there()
        asked = max(1, len(ended))
        return (Dose(what="sessions ended", unit="sessions", asked=asked, delivered=gone),)

    def _backends(self, running: Running) -> list[tuple[int, object]]:
        with connected(running, "look up sessions") as database:
            found = app_backends(running, database, self.of)
        if not found:
            raise missing(running, f"there are no {self.target}", "a load that uses the database opens them")
        return found
