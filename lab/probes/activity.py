"""Who is connected to Postgres and what each session does at this moment."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Evidence, Running
from lab.probes import _asking

_SESSIONS = """
    SELECT pid, usename, state, coalesce(wait_event_type || ': ' || wait_event, ''),
           coalesce(extract(epoch FROM clock_timestamp() - query_start) * 1000, 0)::float8, left(query, 110)
    FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
    ORDER BY state = 'active' DESC NULLS LAST, query_start LIMIT %s
"""
_HEAD = ("pid", "user", "state", "waits for", "ms", "statement")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Activity:
    """Sessions of ``pg_stat_activity``, the active ones first, at most ``top``."""

    top: int = 25

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})

    def capture(self, running: Running) -> Evidence:
        """An aligned table with the number of active sessions below it. Raises EnvironmentFailed."""
        with _asking.postgres(running) as database:
            rows = database.execute(_SESSIONS, [self.top]).fetchall()
        # A process id is a name, not a quantity: as text it gets no thousands separator.
        shown = [(str(row[0]), *row[1:]) for row in rows]
        active = sum(row[2] == "active" for row in rows)
        return Evidence(
            title="Sessions of Postgres",
            command="psql -c 'SELECT pid, usename, state, wait_event_type, wait_event, "
            "now() - query_start, query FROM pg_stat_activity'",
            text=f"{_asking.table(_HEAD, shown)}\n{active} active of {len(rows)}",
            kind="activity",
        )
