"""Statements that take long on average, as pg_stat_statements has them."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from lab.model.stack import Evidence, Running
from lab.model.units import Seconds
from lab.probes import _asking
from lab.probes._window import Lines, shortened

_SLOW = """
    SELECT rolname, mean_exec_time, calls, total_exec_time, query
    FROM pg_stat_statements LEFT JOIN pg_roles ON pg_roles.oid = userid
    WHERE mean_exec_time > %s AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY mean_exec_time DESC LIMIT %s
"""
_HEAD = ("user", "mean ms", "calls", "total ms", "statement")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class SlowQueries:
    """Statements of anybody on this database with a mean above ``above``, the slowest first, at most ``top``."""

    above: Annotated[Seconds, Field(ge=0)] = 0.1
    top: Lines = 10

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})

    def capture(self, running: Running) -> Evidence:
        """An aligned table, or a sentence that there is none. Raises EnvironmentFailed."""
        above_ms = self.above * 1e3
        with _asking.postgres(running) as database:
            found = database.execute(_SLOW, [above_ms, self.top]).fetchall()
        rows = [(*row[:4], shortened(row[4], 110)) for row in found]
        return Evidence(
            title="Slow queries",
            command="psql -c 'SELECT query, mean_exec_time, calls, total_exec_time FROM pg_stat_statements "
            f"WHERE mean_exec_time > {above_ms:g} ORDER BY mean_exec_time DESC LIMIT {self.top}'",
            text=_asking.table(_HEAD, rows)
            if rows
            else f"no statement takes more than {above_ms:g} ms on average",
            kind="slow-queries",
        )
