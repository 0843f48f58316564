"""Transactions that somebody began and forgot: each keeps a connection, a row's lock and an old snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from lab.faults._postgres import Name, connected, missing, quoted, table_oid, told
from lab.faults._sessions import ending, in_state, own_sessions
from lab.model.dose import Dose
from lab.model.stack import Running


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class IdleInTransaction:
    """``sessions`` transactions of the app's user, each with one row of ``table`` locked, that do nothing."""

    sessions: Annotated[int, Field(ge=1, le=500)]
    table: Name

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})
    event: ClassVar[str | None] = None

    @property
    def target(self) -> str:
        """The table."""
        return f"table {self.table}"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"sql": [statements]}``. Raises EnvironmentFailed where there is no such table."""
        with connected(running, "look up a table") as database:
            table_oid(running, database, self.table)
        return {"sql": [ending(running, self)]}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Begin the transactions, yield ``{"sessions": how many}``, end their sessions."""
        from psycopg.sql import SQL

        self.undo(running)
        a_row = SQL("SELECT FROM {} LIMIT 1 FOR UPDATE SKIP LOCKED").format(quoted(self.table))
        doing = "leave transactions open"
        with own_sessions(running, self, doing) as sessions:
            for _ in range(self.sessions):
                with told(running, doing):
                    session = sessions.open()
                    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")  # keeps its snapshot
                    if session.execute(a_row).fetchone() is None:
                        raise missing(
                            running, f"{self.table} has too few rows", "ask for fewer sessions than rows"
                        )
            yield {"sessions": self.sessions}

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """The sessions that ``pg_stat_activity`` has as idle in transaction."""
        idle = in_state(running, self, "idle in transaction")
        return (Dose(what="idle in transaction", unit="sessions", asked=self.sessions, delivered=idle),)
