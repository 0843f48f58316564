"""Does it answer? One question a service, asked the way its clients ask, and waiting for a yes."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from lab.errors import EnvironmentFailed

DEADLINE_S = 20.0
_EVERY_S = 0.02
_LINES = 15
_TAIL_BYTES = 64 * 1024


def wait_until(
    answers: Callable[[], bool],
    *,
    living: Callable[[], bool],
    log: Callable[[int], str],
    what: str,
    deadline_s: float = DEADLINE_S,
) -> None:
    """Return when ``answers()`` is true. Raises EnvironmentFailed, with the last lines of ``log``, when the
    service ends before that or the deadline passes."""
    deadline = time.monotonic() + deadline_s
    waker = threading.Event()
    while not answers():
        if not living():
            raise _failed(f"{what} ended while it was starting", log)
        if time.monotonic() > deadline:
            raise _failed(f"{what} did not answer within {deadline_s:g} s", log)
        waker.wait(_EVERY_S)


def _failed(what: str, log: Callable[[int], str]) -> EnvironmentFailed:
    return EnvironmentFailed(
        what=what,
        why="its log ends with:\n" + (log(_LINES) or "(nothing)"),
        do="the log tells what it lacks; lab doctor looks at this machine",
    )


def postgres_answers(url: str) -> bool:
    """Whether SELECT 1 comes back."""
    import psycopg  # takes 0.1 s: only where servers really start

    try:
        with psycopg.connect(url, connect_timeout=2) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def redis_answers(port: int) -> bool:
    """Whether PING comes back as PONG."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def redis_version(port: int) -> str:
    """What INFO says, for example ``valkey 9.1.2``."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"INFO server\r\nQUIT\r\n")
        with connection.makefile("rb") as answer:
            said = answer.read().decode(errors="replace")
    facts = dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
    name = facts.get("server_name", "redis")
    return f"{name} {facts.get(f'{name}_version', facts.get('redis_version', '?'))}"


_ASKED_PER_PROCESS = 16


BALANCER_PATH = "/balancer/status"  # of its own: it is up whatever becomes of what it asks


def app_answers(port: int, processes: int = 1, path: str = "/health") -> bool:
    """Whether ``path`` is 200, in every process.

    Processes that share a port are given connections by a hash of their addresses, also while they are
    still starting: such a connection waits. So many answers that none of them can have been left out.
    """
    return all(_well(port, path) for _ in range(_ASKED_PER_PROCESS * processes if processes > 1 else 1))


def _well(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def tail(path: Path, lines: int) -> str:
    """The last lines of a file, "" where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
