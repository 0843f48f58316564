"""Kept-alive connections to one app, each with a greenlet of its own. Runs inside the driver.

A request goes to the connection used last, else to a new one, else (at the cap) into a queue whose waiting
counts as latency. Without the cap a stall of the app makes the generator open thousands of connections
and fail in its own right.
"""

from __future__ import annotations

import errno
import socket as plain
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import gevent
from gevent import get_hub, socket
from geventhttpclient._parser import HTTPParseError, HTTPResponseParser

from lab.driver.ledger import Ledger
from lab.driver.words import Failure

CAP = 512
_CHUNK = 65536
_SLACK_S = 0.002  # libev counts from when its loop last woke up; firing early would cut an answer off
_OURS = {errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}


class StaleError(Exception):
    """The connection ended before one byte of the answer."""


class Answer(HTTPResponseParser):
    """Reads one answer after another; counts the body instead of keeping it."""

    def __init__(self) -> None:
        super().__init__()
        self.reset()

    def reset(self) -> None:
        self.size = 0
        self.status = 0
        self.complete = False
        self.keep = False

    def _on_status(self, _: str) -> None: ...

    def _on_message_begin(self) -> None: ...

    def _on_header_field(self, _: str) -> None: ...

    def _on_header_value(self, _: str) -> None: ...

    def _on_headers_complete(self) -> bool:
        return False

    def _on_body(self, part: bytearray) -> None:
        self.size += len(part)

    def _on_message_complete(self) -> None:
        status = self.get_code()
        if status >= 200:  # an interim answer (1xx) is followed by the real one
            self.status = status
            self.complete = True
            self.keep = self.should_keep_alive()


@dataclass(frozen=True)
class Job:
    """One block as the connections see it. ``broke`` hears of a defect of the driver."""

    ledger: Ledger
    messages: list[bytes]
    broke: Callable[[Exception], None]


class Lane:
    """All connections to one base address."""

    def __init__(self, host: str, port: int, cap: int = CAP) -> None:
        self.address = (host, port)
        self.cap = cap
        self.connections = 0
        self.waiting: deque[tuple[Job, int]] = deque()
        self.idle: list[Any] = []  # parked greenlets, the last used on top

    def offer(self, job: Job, i: int) -> None:
        """Request ``i`` of ``job`` is due. Called in the hub; does not block."""
        if self.idle:
            self.idle.pop().switch((job, i))
        elif self.connections < self.cap:
            self.connections += 1
            gevent.spawn(self._serve, (job, i))
        else:
            job.ledger.queue(i)
            self.waiting.append((job, i))

    def _serve(self, work: tuple[Job, int]) -> None:
        connection = Connection(self.address)
        hub, me = get_hub(), gevent.getcurrent()
        while True:
            try:
                connection.perform(*work)
            except Exception as defect:  # noqa: BLE001 - a lost greenlet would hang the block
                connection.close()
                work[0].broke(defect)
            if self.waiting:
                work = self.waiting.popleft()
            else:
                self.idle.append(me)
                work = hub.switch()


class Connection:
    """One TCP connection that opens when it is needed."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._socket: Any = None
        self._answer = Answer()

    def perform(self, job: Job, i: int) -> None:
        """Send request ``i``, read its answer, enter both in the ledger. A failed request is no exception."""
        ledger = job.ledger
        left_ns = ledger.left_ns(i)
        if left_ns <= 0:
            ledger.fail(i, Failure.TIMEOUT)
            return
        ledger.send(i)
        limit = gevent.Timeout.start_new(left_ns / 1e9 + _SLACK_S)
        try:
            answer = self._exchange(job, i)
        except gevent.Timeout as over:
            if over is not limit:
                raise
            self._end(ledger, i, Failure.TIMEOUT)
        except HTTPParseError:
            self._end(ledger, i, Failure.PROTOCOL)
        except OSError as failed:
            self._end(ledger, i, _failure(failed))
        else:
            if not answer.keep:
                self.close()
            ledger.answer(i, answer.status, answer.size)
        finally:
            limit.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _end(self, ledger: Ledger, i: int, failure: Failure) -> None:
        self.close()
        ledger.fail(i, failure)

    def _exchange(self, job: Job, i: int) -> Answer:
        message = job.messages[i]
        used = self._alive()
        if not used:
            self._connect()
        try:
            return self._ask(message)
        except StaleError:
            # The server may close an idle connection in the instant that we use it; a client asks again. Only
            # on a used connection and only what is safe to ask twice, so that a failing app stays visible.
            if not used or not message.startswith(b"GET "):
                raise ConnectionResetError(errno.ECONNRESET, "closed before the answer") from None
        job.ledger.retried += 1
        self._connect()
        try:
            return self._ask(message)
        except StaleError:
            raise ConnectionResetError(errno.ECONNRESET, "closed before the answer") from None

    def _ask(self, message: bytes) -> Answer:
        answer, line = self._answer, self._socket
        answer.reset()
        heard = False
        try:
            line.sendall(message)
            while not answer.complete:
                part = line.recv(_CHUNK)
                if not part and not heard:
                    raise StaleError
                heard = True
                self._feed(part)
        except (ConnectionResetError, BrokenPipeError):
            if heard:
                raise
            raise StaleError from None
        return answer

    def _feed(self, part: bytes) -> None:
        answer = self._answer
        try:
            answer.feed(part)
        except HTTPParseError:
            if answer.complete:  # bytes that nobody asked for, behind a complete answer
                answer.keep = False
            elif not part:
                raise ConnectionResetError(errno.ECONNRESET, "closed inside the answer") from None
            else:
                raise

    def _connect(self) -> None:
        self.close()
        self._answer = Answer()
        line = socket.socket(plain.AF_INET, plain.SOCK_STREAM)
        try:
            line.setsockopt(plain.IPPROTO_TCP, plain.TCP_NODELAY, 1)
            line.connect(self._address)
        except BaseException:
            line.close()
            raise
        self._socket = line

    def _alive(self) -> bool:
        """Whether the kept connection is still open: an idle one has nothing to read, not even its end."""
        if self._socket is None:
            return False
        try:
            self._socket._sock.recv(1, plain.MSG_PEEK)  # gevent keeps it non-blocking
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False


def _failure(error: OSError) -> Failure:
    if error.errno == errno.ECONNREFUSED:
        return Failure.REFUSED
    return Failure.LOCAL if error.errno in _OURS else Failure.RESET


def lane_for(url: str) -> Lane:
    """Connections for a base address. ValueError unless it is plain ``http`` with a host."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"{url!r} is not a plain http address")
    return Lane(parts.hostname, parts.port or 80)


def render(url: str, method: str, path: str, body: bytes) -> bytes:
    """The bytes of one request."""
    parts = urlsplit(url)
    target = quote(parts.path.rstrip("/") + path, safe="/?&=%:;,@+!$'()*~[]")
    head = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}"]
    head += ["User-Agent: incident-lab", "Accept: */*"]
    if body or method != "GET":
        head += [f"Content-Length: {len(body)}"]
    if body:
        head += ["Content-Type: application/json"]
    return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1") + body
