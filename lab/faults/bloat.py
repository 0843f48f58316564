"""A table full of dead rows: updated again and again, and never vacuumed. Every scan reads them all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.faults import _autovacuum
from lab.faults._noted import Noted
from lab.faults._postgres import Name, connected, failed, missing, number, quoted, table_oid
from lab.model.dose import Dose
from lab.model.stack import Running

if TYPE_CHECKING:
    from psycopg import Connection

_MOST = 300_000_000  # bytes added
_BATCH = 256  # pages whose rows are updated in one transaction
_SLACK = 1.05  # of its size before; what is larger is rewritten
_SIZE = "SELECT pg_relation_size(%s::oid)"
_PAGES = "SELECT pg_relation_size(%s::oid) / current_setting('block_size')::int"
_VACUUMED = "SELECT relpages * current_setting('block_size')::float8 FROM pg_class WHERE oid = %s"
_COLUMN = """
    SELECT attname FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped
    AND attgenerated = '' AND attidentity = '' ORDER BY attnum DESC LIMIT 1
"""
_BEFORE: Noted[float] = Noted()


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Bloat:
    """Grow ``table`` to ``factor`` times its size by updates that change nothing, at most 300 MB more."""

    table: Name
    factor: Annotated[float, Field(ge=1.2, le=20)] = 2.0

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})
    event: ClassVar[str | None] = None

    @property
    def target(self) -> str:
        """The table."""
        return f"table {self.table}"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"sql": [statements]}``. Raises EnvironmentFailed where the table is missing, empty or too large."""
        with connected(running, "look up a table") as database:
            oid = table_oid(running, database, self.table)
            size = number(database, _SIZE, oid)
            if _BEFORE.of(running, self.target) is not None:
                raise failed(
                    running, f"could not bloat {self.table}", "it is bloated already, to be rewritten"
                )
            if not size:
                raise missing(running, f"the table {self.table} is empty", "name a table with rows")
            if size * (self.factor - 1) > _MOST:
                raise EnvironmentFailed(
                    what=f"{self.table} is too large to be bloated {self.factor:g} times",
                    where=f"postgres of {running.name}",
                    why=f"it has {size / 1e6:.0f} MB, and a fault adds at most {_MOST / 1e6:.0f} MB",
                    do="ask for a smaller factor, or name a smaller table",
                )
            return {"sql": [*self._rewrite(), _autovacuum.as_before(database, self.table, oid)]}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Bloat the table, yield its bytes ``{"before": ..., "after": ...}``, give it its size back.

        A table that somebody has made small meanwhile is not rewritten again.
        """
        *_, back = self.undo(running)["sql"]
        with connected(running, "look up a table") as database:
            oid = table_oid(running, database, self.table)
            before = number(database, _SIZE, oid)
        try:
            with connected(running, "bloat a table") as database:
                database.execute(_autovacuum.keep_away(self.table).encode())
                self._grow(running, database, oid, before * self.factor)
                after = number(database, _SIZE, oid)
            with _BEFORE.kept(running, self.target, before):
                yield {"before": before, "after": after}
        finally:
            with connected(running, "rewrite a bloated table", heals=True) as database:
                try:
                    if number(database, _SIZE, oid) > before * _SLACK:
                        for statement in self._rewrite():
                            database.execute(statement.encode())
                finally:
                    database.execute(back.encode())

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """``pg_relation_size`` now for each byte that it had before, or had when it was last vacuumed."""
        with connected(running, "measure a table") as database:
            oid = table_oid(running, database, self.table)
            now = number(database, _SIZE, oid)
            before = _BEFORE.of(running, self.target) or number(database, _VACUUMED, oid)
        times = now / before if before else None
        return (
            Dose(
                what=f"size of {self.table}",
                unit="times",
                asked=self.factor,
                delivered=times,
                counts="at-least",
            ),
        )

    def _rewrite(self) -> list[str]:
        # The second brings back the visibility map, which the first does not write.
        return [f"VACUUM (FULL) {self.table}", f"VACUUM (FREEZE) {self.table}"]

    def _grow(self, running: Running, database: Connection[Any], oid: int, size: float) -> None:
        """Update the rows of some pages after the others: their new versions go to the end of the file."""
        from psycopg.sql import SQL, Identifier

        column = database.execute(_COLUMN, [oid]).fetchone()
        if column is None:
            raise missing(running, f"{self.table} has no column to update", "name another table")
        # Never waits for a row that the app has locked, so it cannot be half of a deadlock.
        update = SQL(
            "UPDATE {table} SET {column} = {column} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} "
            "WHERE ctid >= %s::text::tid AND ctid < %s::text::tid FOR UPDATE SKIP LOCKED))"
        ).format(table=quoted(self.table), column=Identifier(column[0]))
        database.execute("SET session_replication_role = replica")  # no triggers, no foreign keys
        page = 0
        while number(database, _SIZE, oid) < size:
            if page >= number(database, _PAGES, oid):
                raise failed(
                    running, f"could not bloat {self.table}", "its rows found room in their own pages"
                )
            database.execute(update, [f"({page},0)", f"({page + _BATCH},0)"])
            page += _BATCH
