"""Two sessions lock two rows in opposite order, again and again: each time Postgres ends one of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass as plain
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.faults._postgres import Name, connected, missing, number, table_oid
from lab.faults._sessions import ending, in_state, own_sessions, until
from lab.model.dose import Dose
from lab.model.stack import Running

if TYPE_CHECKING:
    from psycopg import Connection

_KEY = """
    SELECT quote_ident(attname) FROM pg_index
    JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
    WHERE indrelid = %s AND indisprimary AND indnkeyatts = 1
"""
_COUNTED = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
_TIMEOUT = "SELECT extract(epoch FROM current_setting('deadlock_timeout')::interval)::float8"
_MEET_S = 2.0


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class DeadlockPair:
    """Two sessions lock the rows of ``table`` with the primary keys ``ids``, crosswise.

    One deadlock each ``deadlock_timeout`` of the server; all that while both rows are locked.
    """

    table: Name
    ids: tuple[int, int]

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})
    event: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        if self.ids[0] == self.ids[1]:
            raise ValueError("a deadlock needs two rows: name two different ids")

    @property
    def target(self) -> str:
        """The rows."""
        return f"rows {self.ids[0]} and {self.ids[1]} of {self.table}"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"sql": [statements]}``. Raises EnvironmentFailed where there are no such rows."""
        self._statement(running)
        return {"sql": [ending(running, self)]}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Start the pair, yield ``{"rows": ids}`` when both are at it, end it."""
        lock = self._statement(running)
        with own_sessions(running, self, "make deadlocks") as sessions:
            meeting = threading.Barrier(2)
            try:
                for order in (self.ids, self.ids[::-1]):
                    sessions.repeat(_Crossing(lock, order, meeting), again=True)
                sessions.started(lambda: in_state(running, self) == 2, "make deadlocks")
                yield {"rows": list(self.ids)}
            finally:
                sessions.over.set()
                meeting.abort()

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """Deadlocks that ``pg_stat_database`` counts while this looks, for at most three deadlock_timeouts."""
        with connected(running, "count deadlocks") as database:
            before, timeout_s = number(database, _COUNTED), number(database, _TIMEOUT)

            def more() -> float:
                return number(database, _COUNTED) - before

            until(lambda: more() > 0 or not in_state(running, self), 3 * timeout_s + 1)
            counted = more()
        return (Dose(what="deadlocks", unit="deadlocks", asked=1, delivered=counted, counts="at-least"),)

    def _statement(self, running: Running) -> bytes:
        with connected(running, "look up rows") as database:
            key = database.execute(_KEY, [table_oid(running, database, self.table)]).fetchone()
            if key is None:
                raise missing(running, f"{self.table} has no primary key of one column", "name another table")
            rows = number(
                database, f"SELECT count(*) FROM {self.table} WHERE {key[0]} IN (%s, %s)", *self.ids
            )
        if rows != 2:
            raise missing(running, f"there are no {self.target}", "name rows that the table has")
        return f"SELECT FROM {self.table} WHERE {key[0]} = %s FOR UPDATE".encode()


@plain(frozen=True)
class _Crossing:
    """One transaction of one of the two: its first row, a word with the other, its second row."""

    lock: bytes
    order: tuple[int, ...]
    meeting: threading.Barrier

    def __call__(self, session: Connection[Any]) -> None:
        import psycopg

        first, second = self.order
        try:
            with session.transaction():
                session.execute(self.lock, [first])
                self.meeting.wait(_MEET_S)
                session.execute(self.lock, [second])
        except psycopg.errors.DeadlockDetected:
            session.execute("SELECT pg_stat_force_next_flush()")  # else it is counted some seconds later
        except threading.BrokenBarrierError:
            if self.meeting.broken:  # the other was terminated and comes back
                self.meeting.reset()
