"""How many sessions somebody has ended: what a rough cure costs those who stood beside the culprit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Quantity, Running
from lab.probes import _asking

PREFLIGHT = 3
_COUNTED = "SELECT sessions_killed FROM pg_stat_database WHERE datname = current_database()"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Terminated:
    """Sessions of the app's database that were ended from outside, as pg_stat_database counts them."""

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})
    lag_s: ClassVar[float] = 0.0  # a session tells its end as it ends
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "sessions": Quantity(
            unit="sessions",
            scale="difference",
            doc="Sessions ended by pg_terminate_backend or an administrator",
        )
    }

    def read(self, running: Running) -> Mapping[str, float]:
        """The count since the server's statistics began. Raises EnvironmentFailed."""
        with _asking.postgres(running) as database:
            row = database.execute(_COUNTED).fetchone()
        assert row is not None
        return {"sessions": float(row[0])}

    def preflight(self, running: Running) -> str:
        """End a known number of sessions, and read them back once they are gone."""
        import psycopg

        before = self.read(running)["sessions"]
        with _asking.postgres(running) as database:
            for _ in range(PREFLIGHT):
                with psycopg.connect(running.dsn, autocommit=True) as one:
                    # With a time-out it returns when the session is gone, or false.
                    database.execute("SELECT pg_terminate_backend(%s, 2000)", [one.info.backend_pid])
        counted = self.read(running)["sessions"] - before
        return "" if counted == PREFLIGHT else f"{PREFLIGHT} sessions were ended, {counted:.0f} were counted"
