"""The planner works with statistics from another time: of a table that was nearly empty, and of no column.

That is what a queue or staging table leaves that was last analysed just after it had been emptied. The rows
of ``pg_statistic`` are not deleted but moved to column numbers that no table has, where the planner does not
find them, so that they come back exactly as they were: ANALYZE would draw another sample. It works the same on
every version; the functions of PostgreSQL 18 (pg_clear_attribute_stats) could not give back the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.faults import _autovacuum
from lab.faults._postgres import Name, connected, heal, missing, number, quoted, table_oid
from lab.model.dose import Dose
from lab.model.stack import Running

_AWAY = 20_000  # a table has at most 1,600 columns, and a smallint holds 32,767
_AT_LEAST = 10.0
_SIZE = "SELECT relpages, reltuples::float8 FROM pg_class WHERE oid = %s"
_COLUMNS = (
    "SELECT count(*) FROM pg_statistic WHERE starelid = to_regclass(%s) AND staattnum BETWEEN 1 AND 1600"
)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class StaleStatistics:
    """Statistics of ``table`` say: one row, nothing known of its columns. ANALYZE is the cure."""

    table: Name

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})
    event: ClassVar[str | None] = None

    @property
    def target(self) -> str:
        """The table's statistics."""
        return f"statistics of {self.table}"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"sql": [statements]}``. Raises EnvironmentFailed where there is no table, or no statistics of it."""
        with connected(running, "look up statistics") as database:
            oid = table_oid(running, database, self.table)
            size = database.execute(_SIZE, [oid]).fetchone()
            if size is None or size[1] <= _AT_LEAST or not number(database, _COLUMNS, self.table):
                raise missing(
                    running, f"there are no statistics of {self.table}", "have it analysed, with rows"
                )
            back = _autovacuum.as_before(database, self.table, oid)
        return {"sql": [*_restored(oid, *size), back]}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Put the statistics away, yield ``{"columns": how many}``, bring them back.

        Statistics that an ANALYZE has made meanwhile stay.
        """
        statements = self.undo(running)["sql"]
        try:
            with connected(running, "put statistics away") as database:
                columns = number(database, _COLUMNS, self.table)
                oid = table_oid(running, database, self.table)
                database.execute(_autovacuum.keep_away(self.table).encode())
                with database.transaction():
                    for statement in _put_away(oid):
                        database.execute(statement.encode())
            yield {"columns": columns}
        finally:
            heal(running, "restore statistics", statements)

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """Columns that the planner knows anything of, and how far off its number of rows is (EXPLAIN)."""
        from psycopg.sql import SQL

        every = SQL("EXPLAIN (FORMAT JSON) SELECT FROM {}").format(quoted(self.table))
        with connected(running, "measure statistics") as database:
            columns = number(database, _COLUMNS, self.table)
            rows = number(database, f"SELECT count(*) FROM {self.table}")
            plan = database.execute(every).fetchone()
        assert plan is not None
        off = rows / max(1.0, float(plan[0][0]["Plan"]["Plan Rows"]))
        return (
            Dose(what="columns with statistics", unit="columns", asked=0, delivered=columns),
            Dose(
                what="rows for each row estimated",
                unit="times",
                asked=_AT_LEAST,
                delivered=off,
                counts="at-least",
            ),
        )


def _put_away(oid: int) -> list[str]:
    return [
        f"UPDATE pg_statistic SET staattnum = staattnum + {_AWAY} WHERE starelid = {oid}",
        # One row in as many pages as there are: what it extrapolates from its size is one row as well.
        f"UPDATE pg_class SET reltuples = 1 WHERE oid = {oid}",
    ]


def _restored(oid: int, pages: int, rows: float) -> list[str]:
    away = f"starelid = {oid} AND staattnum > {_AWAY}"
    return [
        f"DELETE FROM pg_statistic s WHERE {away} AND EXISTS (SELECT FROM pg_statistic fresh WHERE "
        f"fresh.starelid = {oid} AND fresh.staattnum = s.staattnum - {_AWAY})",
        f"UPDATE pg_statistic SET staattnum = staattnum - {_AWAY} WHERE {away}",
        f"UPDATE pg_class SET relpages = {pages}, reltuples = {rows} WHERE oid = {oid} AND reltuples = 1",
    ]
