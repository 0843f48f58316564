"""How often Postgres had to end a transaction because two or more waited for each other in a circle."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Quantity, Running
from lab.probes import _asking

if TYPE_CHECKING:
    from psycopg import Connection

_COUNTED = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
_KEYS = (7_411_001, 7_411_002)  # advisory locks of nobody else


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Deadlocks:
    """Deadlocks of the app's database, as pg_stat_database counts them: one for each transaction that was ended.

    A session passes its counts on when its transaction ends, if the last time was a second ago. Whoever is chosen
    has waited for ``deadlock_timeout``: with the server's own second, its count is there at once.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})
    lag_s: ClassVar[float] = 0.0
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "ended": Quantity(
            unit="transactions",
            scale="difference",
            doc="Transactions that Postgres ended to break a deadlock",
        )
    }

    def read(self, running: Running) -> Mapping[str, float]:
        """The count since the server's statistics began. Raises EnvironmentFailed."""
        with _asking.postgres(running) as database:
            row = database.execute(_COUNTED).fetchone()
        assert row is not None
        return {"ended": float(row[0])}

    def preflight(self, running: Running) -> str:
        """Let two sessions lock two numbers crosswise, and read the one deadlock back."""
        before = self.read(running)["ended"]
        with _asking.postgres(running) as one, _asking.postgres(running) as other:
            for session, first in zip((one, other), _KEYS, strict=True):
                session.execute("SET deadlock_timeout = '20ms'")
                session.execute("SELECT pg_advisory_lock(%s)", [first])
            with ThreadPoolExecutor(2) as threads:
                ended = sum(threads.map(_cross, (one, other), _KEYS[::-1]))
        counted = self.read(running)["ended"] - before
        return (
            "" if counted == ended == 1 else f"{ended} of two sessions were ended, {counted:.0f} were counted"
        )


def _cross(session: Connection[Any], key: int) -> bool:
    """Whether Postgres ended this one's statement; its locks are given back in any case, and its counts told."""
    from psycopg.errors import DeadlockDetected

    try:
        session.execute("SELECT pg_advisory_lock(%s)", [key])
    except DeadlockDetected:
        return True
    finally:
        session.execute("SELECT pg_advisory_unlock_all(), pg_stat_force_next_flush()")
    return False
