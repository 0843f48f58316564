"""The statements that cost the database most, as pg_stat_statements has them."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Evidence, Running
from lab.probes import _asking

_TOP = """
    SELECT calls, mean_exec_time, total_exec_time, rows,
           (shared_blks_hit + shared_blks_read)::float8 / calls, query
    FROM pg_stat_statements
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND userid <> (SELECT oid FROM pg_roles WHERE rolname = current_user)
    ORDER BY total_exec_time DESC LIMIT %s
"""
_HEAD = ("calls", "mean ms", "total ms", "rows", "blocks a call", "statement")
_WIDEST = 110


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Statements:
    """The ``top`` statements of the app by total execution time, since the server started."""

    top: int = 8

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})

    def capture(self, running: Running) -> Evidence:
        """An aligned table. Raises EnvironmentFailed where Postgres does not answer."""
        with _asking.postgres(running) as database:
            found = database.execute(_TOP, [self.top]).fetchall()
        rows = [(*row[:5], _short(row[5])) for row in found]
        return Evidence(
            title="Statements that cost most",
            command="psql -c 'SELECT calls, mean_exec_time, total_exec_time, rows, query "
            f"FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT {self.top}'",
            text=_asking.table(_HEAD, rows),
            kind="statements",
        )


def _short(query: str) -> str:
    line = " ".join(query.split())
    return line if len(line) <= _WIDEST else line[: _WIDEST - 1] + "…"
