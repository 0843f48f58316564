"""Who waits for a lock, and who holds it, by Postgres' own word (pg_blocking_pids)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Evidence, Running
from lab.probes import _asking

_WAITING = """
    SELECT waiting.pid::text,
           coalesce(extract(epoch FROM clock_timestamp() - waiting.query_start) * 1000, 0)::float8,
           left(waiting.query, 70), blocker.pid::text, blocker.state, left(blocker.query, 70)
    FROM pg_stat_activity waiting
    CROSS JOIN LATERAL unnest(pg_blocking_pids(waiting.pid)) AS held(by)
    JOIN pg_stat_activity blocker ON blocker.pid = held.by
    ORDER BY waiting.query_start, waiting.pid, blocker.pid
"""
_HEAD = ("waiting", "ms", "statement that waits", "blocker", "its state", "its last statement")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Locks:
    """Pairs of a waiting session and a session that blocks it."""

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})

    def capture(self, running: Running) -> Evidence:
        """An aligned table, or a sentence that nobody waits. Raises EnvironmentFailed."""
        with _asking.postgres(running) as database:
            rows = database.execute(_WAITING).fetchall()
        return Evidence(
            title="Lock waits",
            command="psql -c 'SELECT pid, pg_blocking_pids(pid), query FROM pg_stat_activity "
            "WHERE cardinality(pg_blocking_pids(pid)) > 0'",
            text=_asking.table(_HEAD, rows) if rows else "no session waits for a lock",
            kind="locks",
        )
