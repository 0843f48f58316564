"""A transaction takes a lock and never ends: a forgotten migration, a debugger, a client that hangs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.faults._postgres import Name, connected, missing, number, quoted, table_oid, told
from lab.faults._sessions import ending, name_of, own_sessions
from lab.model.dose import Dose
from lab.model.stack import Running

Mode = Literal[
    "ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE",
    "SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE",
]  # fmt: skip
# The weakest lock that each keeps out (PostgreSQL manual, "Table-Level Locks"): asking for it harms least.
_KEEPS_OUT: Mapping[Mode, Mode] = {
    "ACCESS SHARE": "ACCESS EXCLUSIVE",
    "ROW SHARE": "EXCLUSIVE",
    "ROW EXCLUSIVE": "SHARE",
    "SHARE UPDATE EXCLUSIVE": "SHARE UPDATE EXCLUSIVE",
    "SHARE": "ROW EXCLUSIVE",
    "SHARE ROW EXCLUSIVE": "ROW EXCLUSIVE",
    "EXCLUSIVE": "ROW SHARE",
    "ACCESS EXCLUSIVE": "ACCESS SHARE",
}
_HELD = """
    SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE application_name = %s AND relation = to_regclass(%s) AND granted AND lower(mode) = lower(%s)
"""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class HoldLock:
    """Lock ``table`` in ``mode`` (ACCESS EXCLUSIVE), or with FOR UPDATE its ``rows`` (SQL: ``id <= 20``)."""

    table: Name
    mode: Mode | None = None
    rows: str | None = None

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})
    event: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        if self.mode is not None and self.rows is not None:
            raise ValueError("mode locks the whole table and rows locks some of it: name one of the two")

    @property
    def target(self) -> str:
        """The table, or its rows."""
        return f"table {self.table}" if self.rows is None else f"rows of {self.table} where {self.rows}"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"sql": [statements]}``. Raises EnvironmentFailed where there is no such table or no such row."""
        with connected(running, "look up what to lock") as database:
            table_oid(running, database, self.table)
            if self.rows is not None and not number(
                database, f"SELECT count(*) FROM {self.table} WHERE {self.rows}"
            ):
                raise missing(running, f"{self.table} has no row where {self.rows}", "name rows that it has")
        return {"sql": [ending(running, self)]}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Take the lock, yield ``{"held": what}``, end the session that holds it."""
        self.undo(running)
        with own_sessions(running, self, "hold a lock") as sessions:
            with told(running, "hold a lock"):
                session = sessions.open()
                session.execute("SET lock_timeout = '10s'")
                session.execute("BEGIN")
                session.execute(self._statement(self.mode or "ACCESS EXCLUSIVE"))
            yield {"held": self.target}

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """The lock as ``pg_locks`` has it, and another session that asks for a lock and is refused."""
        import psycopg

        mode = (self.mode or "ACCESS EXCLUSIVE") if self.rows is None else "ROW SHARE"
        refused = 0
        with connected(running, "ask for a lock") as database:
            held = number(database, _HELD, name_of(running, self), self.table, f"{mode.replace(' ', '')}Lock")
            try:
                with database.transaction():
                    database.execute("SET LOCAL lock_timeout = '100ms'")
                    database.execute(self._statement(_KEEPS_OUT[mode]))
            except psycopg.errors.LockNotAvailable:
                refused = 1
        return (
            Dose(what=f"{mode} lock on {self.table}", unit="locks", asked=1, delivered=held),
            Dose(what="another session refused", unit="sessions", asked=1, delivered=refused),
        )

    def _statement(self, mode: Mode) -> Any:
        from psycopg.sql import SQL

        if self.rows is not None:
            rows = SQL(self.rows)  # the scenario's own words
            return SQL("SELECT FROM {} WHERE {} FOR UPDATE").format(quoted(self.table), rows)
        return SQL("LOCK TABLE {} IN {} MODE").format(quoted(self.table), SQL(mode))
