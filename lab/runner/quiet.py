"""An arm is quiet when its database works on nothing: work that a client gave up on goes on, and would
be paid by the next block."""

from __future__ import annotations

import psycopg

from lab.model.stack import Running
from lab.runner.clock import Clock, wait_for

DEADLINE_S = 5.0
_ACTIVE = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


class Quiet:
    """Waits for quiet arms, with one connection kept for each."""

    def __init__(self) -> None:
        self._connections: dict[str, psycopg.Connection] = {}

    def wait(self, running: Running, clock: Clock) -> bool:
        """True when the arm's database is idle; False when it was not within the deadline, or is down."""
        if not running.dsn:
            return True
        try:
            return wait_for(lambda: self._active(running) == 0, clock, DEADLINE_S)
        except psycopg.Error:
            self._connections.pop(running.dsn, None)
            return False

    def _active(self, running: Running) -> int:
        connection = self._connections.get(running.dsn)
        if connection is None:
            connection = psycopg.connect(running.dsn, autocommit=True, connect_timeout=2)
            self._connections[running.dsn] = connection
        row = connection.execute(_ACTIVE).fetchone()
        return int(row[0]) if row else 0

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()
