"""Redis, Postgres and the app over connections of one's own, raw: so that bytes, pieces and resets can be counted.

The message formats are those of https://redis.io/docs/latest/develop/reference/protocol-spec/ and
https://www.postgresql.org/docs/current/protocol-message-formats.html.
"""

from __future__ import annotations

import selectors
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Literal
from urllib.parse import urlsplit

from lab.model.stack import Running, ServiceName

Address = tuple[str, int]
Ending = Literal["answered", "cut", "refused", "silent"]
_AT_ONCE = 32
_READ = 1 << 20
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # answered with one byte, before any login
_VERSION_3 = 196608


@dataclass(frozen=True)
class Question:
    """What is sent, and with what a whole answer ends."""

    sent: bytes
    ends: bytes


@dataclass(frozen=True)
class Answer:
    """Seconds from the question to the end of the answer, and the sizes in bytes in which it was read."""

    seconds: float
    pieces: Sequence[int]


@dataclass(frozen=True)
class Try:
    """How one new connection fared, and after how many seconds."""

    ending: Ending
    seconds: float


def small(service: ServiceName) -> Question:
    """The cheapest that one can be asked: PING, SELECT 1, or whether the app is ready."""
    if service == "redis":
        return _redis("PING", b"PONG\r\n")
    return _query(b"SELECT 1") if service == "postgres" else _READY


_READY = Question(b"GET /ready HTTP/1.1\r\nHost: shop\r\n\r\n", b'{"status":"ready"}')


def fetching(service: ServiceName, size: int) -> Question:
    """A question with an answer of at least ``size`` bytes, 1 or more."""
    if service == "redis":
        return _echo(size)
    return _query(f"SELECT repeat('x', {size})".encode())


def carrying(service: ServiceName, size: int) -> Question:
    """A question of at least ``size`` bytes, 1 or more."""
    return _echo(size) if service == "redis" else _query(b"SELECT length('" + b"x" * size + b"')")


def _echo(size: int) -> Question:
    return _redis("ECHO", b"x\r\n", b"x" * size)


def _redis(command: str, ends: bytes, *values: bytes) -> Question:
    words = [command.encode(), *values]
    parts = [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
    return Question(b"*%d\r\n" % len(words) + b"".join(parts), ends)


def _query(statement: bytes) -> Question:
    return Question(b"Q" + struct.pack("!i", len(statement) + 5) + statement + b"\0", b"Z\0\0\0\x05I")


class Line:
    """One connection to a server, as its superuser; each question waits for its whole answer."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def ask(self, question: Question) -> Answer:
        """Raises OSError where the connection ends first, or no byte comes in time."""
        pieces: list[int] = []
        end, began = b"", perf_counter()
        self._connection.sendall(question.sent)
        while not end.endswith(question.ends):
            piece = self._connection.recv(_READ)
            if not piece:
                raise Cut("the connection was closed", sum(pieces))
            pieces.append(len(piece))
            end = (end + piece)[-len(question.ends) :]
        return Answer(perf_counter() - began, pieces)

    def read_to_the_end(self, question: Question) -> int:
        """Ask, and return how many bytes of the answer came until the connection was cut or all of it was there."""
        try:
            return sum(self.ask(question).pieces)
        except Cut as cut:
            return cut.came


class Cut(ConnectionError):
    """The other end closed the connection after ``came`` bytes of an answer."""

    def __init__(self, why: str, came: int) -> None:
        super().__init__(why)
        self.came = came


@contextmanager
def line(running: Running, service: ServiceName, address: Address, patience_s: float) -> Iterator[Line]:
    """A connection to that address, logged in. Raises OSError; ``patience_s`` is the longest silence."""
    with socket.create_connection(address, timeout=patience_s) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made = Line(connection)
        if service == "postgres":
            made.ask(_login(running.dsn))
        yield made


def _login(dsn: str) -> Question:
    at = urlsplit(dsn)
    words = ("user", at.username or "", "database", at.path.strip("/"), "")
    body = struct.pack("!i", _VERSION_3) + b"".join(word.encode() + b"\0" for word in words)
    return Question(struct.pack("!i", len(body) + 4) + body, b"Z\0\0\0\x05I")


def tries(
    service: ServiceName, address: Address, number: int, patience_s: float, *, closing: bool = False
) -> list[Try]:
    """So many new connections, up to 32 at once, each with one short question: how they fared.

    ``closing`` closes this side after the question and waits for the other side to close too.
    """
    found: list[Try] = []
    while len(found) < number:
        found += _some_tries(service, address, min(_AT_ONCE, number - len(found)), patience_s, closing)
    return found


def _some_tries(
    service: ServiceName, address: Address, number: int, patience_s: float, closing: bool
) -> list[Try]:
    question = _SSL_REQUEST if service == "postgres" else small(service).sent
    found: list[Try] = []
    with ExitStack() as opened, selectors.DefaultSelector() as waiting:
        for _ in range(number):
            began = perf_counter()
            try:
                one = opened.enter_context(socket.create_connection(address, timeout=patience_s))
            except OSError:
                found.append(Try("refused", perf_counter() - began))
                continue
            with suppress(OSError):  # what became of it is seen on reading
                one.sendall(question)
                if closing:
                    one.shutdown(socket.SHUT_WR)
            waiting.register(one, selectors.EVENT_READ, began)
        found += _endings(waiting, patience_s, closing)
    return found


def _endings(waiting: selectors.BaseSelector, patience_s: float, closing: bool) -> Iterator[Try]:
    deadline = perf_counter() + patience_s
    while waiting.get_map() and (left := deadline - perf_counter()) > 0:
        for key, _ in waiting.select(left):
            ending = _read(key.fileobj)  # type: ignore[arg-type]
            if not (closing and ending == "answered"):
                waiting.unregister(key.fileobj)
                yield Try(ending, perf_counter() - key.data)
    for key in waiting.get_map().values():
        yield Try("silent", perf_counter() - key.data)


def _read(connection: socket.socket) -> Ending:
    try:
        return "answered" if connection.recv(_READ) else "cut"
    except OSError:
        return "cut"
