"""Sessions of a fault's own in Postgres: opened as the app's user, ended with the fault.

Whoever looks at ``pg_stat_activity`` sees sessions of the app's user under a name that says nothing.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from time import monotonic
from typing import TYPE_CHECKING, Any

from lab.faults._postgres import connected, failed, number
from lab.model.stack import Running

if TYPE_CHECKING:
    from psycopg import Connection

_STARTED_S, _ENDED_S, _AGAIN_S, _LOOK_S = 10.0, 10.0, 0.1, 0.02
# A lab that is killed cannot end its sessions: the server looks this often whether the client is there.
_OPTIONS = "-c client_connection_check_interval=500ms"
_OF_APP = """
    FROM pg_stat_activity WHERE usename = %s AND datname = current_database()
    AND backend_type = 'client backend' AND NOT starts_with(application_name, %s)
"""


def app_user(database: Connection[Any]) -> str:
    """The owner of the database, as whom the app connects."""
    owner = database.execute(
        "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
    ).fetchone()
    assert owner is not None
    return str(owner[0])


def app_backends(
    running: Running, database: Connection[Any], of: str | None = None
) -> list[tuple[int, object]]:
    """The app's sessions, the youngest first, as (pid, time of its start), without those of any fault.

    ``of`` takes only the sessions of one application_name.
    """
    query, values = f"SELECT pid, backend_start {_OF_APP}", [app_user(database), _mark(running.dsn)]
    if of is not None:
        query, values = f"{query} AND application_name = %s", [*values, of]
    return database.execute(f"{query} ORDER BY backend_start DESC".encode(), values).fetchall()


def end_all(database: Connection[Any], backends: list[tuple[int, object]]) -> None:
    """Tell sessions to end. Not one that has taken over the process id of another."""
    database.cursor().executemany(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND backend_start = %s",
        backends,
    )


def name_of(running: Running, fault: object) -> str:
    """The application_name of a fault's sessions in one arm: the same each time, and opaque."""
    return f"{_mark(running.dsn)}{_mark(repr(fault))}"


def ending(running: Running, fault: object) -> str:
    """The statement that ends a fault's sessions."""
    name = name_of(running, fault)
    return f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}'"


def in_state(running: Running, fault: object, state: str = "%") -> float:
    """How many of a fault's sessions are in a state (a LIKE pattern), as the server has it."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND state LIKE %s"
    with connected(running, "count sessions") as database:
        return number(database, query, name_of(running, fault), state)


def connect_as_app(running: Running, user: str, name: str) -> Connection[Any]:
    """A session in autocommit. Raises psycopg.Error."""
    import psycopg
    from psycopg.conninfo import make_conninfo

    url = make_conninfo(running.dsn, user=user, application_name=name, options=_OPTIONS)
    return psycopg.connect(url, autocommit=True, connect_timeout=5, prepare_threshold=None)


def until(true: Callable[[], bool], within_s: float) -> bool:
    """Ask again and again until it is true or the time, in seconds, is over; the last answer."""
    deadline, pause = monotonic() + within_s, threading.Event()
    while not (answer := true()) and monotonic() < deadline:
        pause.wait(_LOOK_S)
    return answer


@dataclass
class Sessions:
    """Opened by ``open``, or each by a thread of ``repeat``. ``over`` is set when they have to end."""

    running: Running
    user: str
    name: str
    over: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None  # the last that a repeated session met
    _open: list[Connection[Any]] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def open(self) -> Connection[Any]:
        """A session in autocommit. Raises psycopg.Error."""
        session = connect_as_app(self.running, self.user, self.name)
        self._open.append(session)
        return session

    def repeat(self, work: Callable[[Connection[Any]], None], *, again: bool) -> None:
        """A session that does its work over and over; ``again``: in a new one after the server ended it."""
        thread = threading.Thread(target=self._repeat, args=(work, again), name=self.name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _repeat(self, work: Callable[[Connection[Any]], None], again: bool) -> None:
        import psycopg

        while not self.over.is_set():
            try:
                with self.open() as session:
                    while not self.over.is_set():
                        work(session)
            except psycopg.Error as error:
                self.error = error
                if not again:
                    return
                self.over.wait(_AGAIN_S)

    def started(self, true: Callable[[], bool], what: str) -> None:
        """Return when the sessions do what they are for. Raises EnvironmentFailed."""
        if not until(true, _STARTED_S):
            raise failed(self.running, f"could not {what}", str(self.error or "too slow"))

    def end(self, statement: str) -> None:
        """End every session in the server, then here. Raises EnvironmentFailed where one stays."""
        self.over.set()
        with ExitStack() as here:
            here.callback(self.close)
            if not self.running.alive("postgres"):
                return  # they died with it
            with connected(self.running, "end sessions") as database:
                if not until(lambda: not database.execute(statement.encode()).fetchall(), _ENDED_S):
                    raise failed(self.running, "could not end sessions", f"{statement} still finds some")

    def close(self) -> None:
        import psycopg

        for session in self._open:  # shut down, to wake a thread that waits for a server that is silent
            with (
                suppress(psycopg.Error, OSError),
                socket.socket(fileno=os.dup(session.fileno())) as connection,
            ):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_ENDED_S)
        for session in self._open:
            session.close()


@contextmanager
def own_sessions(running: Running, fault: object, doing: str) -> Iterator[Sessions]:
    """Sessions that end with the block, whatever happens. Raises EnvironmentFailed, also for twice at once."""
    with connected(running, doing) as database:
        user = app_user(database)
    if in_state(running, fault):
        raise failed(
            running, f"could not {doing}", "this very fault is on already, and they would end together"
        )
    sessions = Sessions(running, user, name_of(running, fault))
    try:
        yield sessions
    finally:
        sessions.end(ending(running, fault))


def _mark(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:6]
