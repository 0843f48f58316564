"""Statements that have been running for long, whoever runs them: what an overloaded database is busy with."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from lab.model.stack import Evidence, Running
from lab.model.units import Seconds
from lab.probes import _asking
from lab.probes._window import Lines

_LONG = """
    SELECT pid::text, usename, extract(epoch FROM clock_timestamp() - query_start)::float8,
           coalesce(wait_event_type || ': ' || wait_event, 'on the CPU'), left(query, 110)
    FROM pg_stat_activity
    WHERE state = 'active' AND pid <> pg_backend_pid() AND backend_type = 'client backend'
      AND query_start < clock_timestamp() - make_interval(secs => %s)
    ORDER BY query_start LIMIT %s
"""
_HEAD = ("pid", "user", "seconds", "waits for", "statement")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class LongQueries:
    """Statements that began more than ``above`` ago and have not ended, the oldest first, at most ``top``."""

    above: Annotated[Seconds, Field(ge=0)] = 300.0
    top: Lines = 20

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})

    def capture(self, running: Running) -> Evidence:
        """An aligned table, or a sentence that there is none. Raises EnvironmentFailed."""
        with _asking.postgres(running) as database:
            rows = database.execute(_LONG, [self.above, self.top]).fetchall()
        return Evidence(
            title="Queries that do not end",
            command='psql -c "SELECT pid, now() - query_start, query FROM pg_stat_activity '
            f"WHERE state = 'active' AND query_start < now() - interval '{self.above:g} s' "
            "AND query NOT LIKE '%pg_stat_activity%'\"",
            text=_asking.table(_HEAD, rows) if rows else f"no query has been running for {self.above:g} s",
            kind="long-queries",
        )
