"""What sessions of Postgres are held up by at one moment: locks of others, and statements that do not end."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.model.stack import Gauge, Running
from lab.probes import _asking
from lab.probes.connections import _borrowed

PREFLIGHT_LOCK = 710_521_988  # of an advisory lock: nobody else's
_HELD_UP = (
    "SELECT count(*) FILTER (WHERE wait_event_type = 'Lock'),"
    " count(*) FILTER (WHERE state = 'active' AND clock_timestamp() - query_start > interval '500 ms')"
    " FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename <> current_user"
)
_WAITS = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Sessions:
    """Sessions that wait for a lock, and those with an old statement, without those of the lab's own role."""

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})
    gauges: ClassVar[Mapping[str, Gauge]] = {
        "waiting": Gauge(
            unit="sessions",
            scale="difference",
            doc="How many were waiting for a lock, on average",
            reading="waiting",
            statistic="mean",
        ),
        "long": Gauge(
            unit="sessions",
            scale="difference",
            doc="How many had been executing one statement for more than half a second, on average",
            reading="long",
            statistic="mean",
        ),
    }

    def sample(self, running: Running) -> Mapping[str, float]:
        """Both numbers now. Raises EnvironmentFailed where the server does not answer."""
        import psycopg

        try:
            with _borrowed(running.dsn) as database:
                told = database.execute(_HELD_UP).fetchone()
        except psycopg.Error as error:
            raise EnvironmentFailed(
                what="Postgres did not say what its sessions wait for",
                where=f"postgres of {running.name}",
                why=str(error),
                do="look at the log of postgres in the run folder",
            ) from error
        assert told is not None
        return {"waiting": float(told[0]), "long": float(told[1])}

    def preflight(self, running: Running) -> str:
        """One session waits for an advisory lock of another, and is seen to."""
        import psycopg

        waiting = psycopg.connect(running.dsn, autocommit=True)
        with _asking.postgres(running) as holder, closing(waiting) as waiter:
            holder.execute("SELECT pg_advisory_lock(%s)", [PREFLIGHT_LOCK])
            waiter.execute("SET lock_timeout = '2s'")
            line = waiter.pgconn
            line.send_query(f"SELECT pg_advisory_lock({PREFLIGHT_LOCK})".encode())
            seen = any(holder.execute(_WAITS, [line.backend_pid]).fetchone() == (1,) for _ in range(200))
            holder.execute("SELECT pg_advisory_unlock(%s)", [PREFLIGHT_LOCK])
        return "" if seen else "a session that waits for a lock was not shown as waiting"
