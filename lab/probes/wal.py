"""How much Postgres writes to its log, from which it recovers and which its replicas follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.model.stack import Quantity, Running
from lab.probes import _asking

PREFLIGHT_BYTES = 10_000
_WRITTEN = "SELECT (pg_current_wal_insert_lsn() - '0/0')::float8"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Wal:
    """Bytes of write-ahead log of the whole server: tables, indexes, and all that goes with them.

    It is the place in the log that is asked for, which moves with each record. pg_stat_wal lags behind it.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})
    lag_s: ClassVar[float] = 0.0
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "bytes": Quantity(
            unit="bytes", scale="difference", doc="Bytes that Postgres wrote to its write-ahead log"
        ),
    }

    def read(self, running: Running) -> Mapping[str, float]:
        """Bytes since the cluster was made. Raises EnvironmentFailed where Postgres does not answer."""
        with _asking.postgres(running) as database:
            row = database.execute(_WRITTEN).fetchone()
        if row is None:
            raise EnvironmentFailed("Postgres did not say how far its log is", where=running.name)
        return {"bytes": float(row[0])}

    def preflight(self, running: Running) -> str:
        """Write a message of known size into the log: it has to grow by that, at once."""
        before = self.read(running)["bytes"]
        with _asking.postgres(running) as database:
            database.execute(
                "SELECT pg_logical_emit_message(false, 'check', repeat('x', %s))", [PREFLIGHT_BYTES]
            )
        grown = self.read(running)["bytes"] - before
        if grown >= PREFLIGHT_BYTES:
            return ""
        return f"{PREFLIGHT_BYTES} bytes were written to the log of Postgres, {grown:.0f} were counted"
