"""One kept-alive connection of the *fast* executor. Every method runs in the hub; none blocks."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gevent import get_hub, monkey
from gevent.socket import IPPROTO_TCP, SO_ERROR, SOCK_STREAM, SOL_SOCKET, TCP_NODELAY

from lab.driver.failures import failure_of_code
from lab.driver.fast.answer import Answer, HTTPParseError, whole
from lab.driver.words import Failure

if TYPE_CHECKING:
    from lab.driver.fast.lane import Address, Lane

_READ, _WRITE = 1, 2
_socket: Any = monkey.get_original("socket", "socket")  # gevent's own would park a greenlet


class Line:
    """Opens when its first request is sent. ``busy`` with request ``i``, or idle."""

    __slots__ = ("_address", "_answer", "_heard", "_lane", "_reader", "_recv", "_rest", "_send", "_socket", "_used",
                 "_writer", "busy", "i")  # fmt: skip

    def __init__(self, lane: Lane, address: Address) -> None:
        self._lane = lane
        self._address = address
        self._answer: Answer | None = None
        self._socket: Any = None
        self._reader: Any = None
        self._writer: Any = None
        self._used = False  # it has carried an answer
        self._heard = False  # a byte of the present answer has come
        self._rest = b""  # of the message, where the socket's buffer was full
        self.busy = False
        self.i = -1

    def send(self, i: int) -> None:
        """Send request ``i``; whatever becomes of it is entered in the job's ledger."""
        job = self._lane.job
        self.i = i
        self.busy = True
        job.ledger.send(i)
        if self._socket is None:
            self._connect()
        else:
            self._write(job.messages[i])

    def close(self) -> None:
        """End the connection, and with it whatever it was busy with."""
        self.busy = False
        self._disconnect()
        self._lane.lost(self)

    def _connect(self) -> None:
        self._used = self._heard = False
        family, address = self._address
        try:
            self._socket = made = _socket(family, SOCK_STREAM)
            made.setblocking(False)
            made.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
            code = made.connect_ex(address)
        except OSError as error:
            self._fail(failure_of_code(error.errno))
            return
        if code not in (0, errno.EINPROGRESS):
            self._fail(failure_of_code(code))
            return
        self._recv, self._send = made.recv_into, made.send
        loop: Any = get_hub().loop
        self._reader = loop.io(made.fileno(), _READ)
        self._writer = loop.io(made.fileno(), _WRITE)
        self._writer.start(self._guarded, self._connected)

    def _connected(self) -> None:
        self._writer.stop()
        code = self._socket.getsockopt(SOL_SOCKET, SO_ERROR)
        if code:
            self._fail(failure_of_code(code))
            return
        self._reader.start(self._readable)
        self._write(self._lane.job.messages[self.i])

    def _write(self, message: bytes) -> None:
        try:
            sent = self._send(message)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._broken(error)
            return
        if sent < len(message):
            self._rest = message[sent:]
            self._writer.start(self._guarded, self._writable)

    def _writable(self) -> None:
        self._writer.stop()
        rest, self._rest = self._rest, b""
        self._write(rest)

    def _readable(self) -> None:
        try:
            lane = self._lane
            try:
                length = self._recv(lane.buffer)
            except BlockingIOError:
                return
            except OSError as error:
                self._broken(error)
                return
            if not self.busy:
                self.close()  # the end of an idle connection, or bytes that nobody asked for
            elif not self._heard and (found := whole(lane.buffer, length)) is not None:
                self._used = True
                self.busy = False
                job, pacer = lane.job, lane.pacer
                job.answer(self.i, found[0], found[1], lane.buffer, length)
                lane.free(self)
                if pacer.next_ns <= job.ledger.now_ns:
                    pacer.catch_up()
            else:
                self._parse(bytes(lane.buffer[:length]))
        except Exception as defect:  # noqa: BLE001 - the hub would print it and the block would never end
            self._lane.job.broke(defect)

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as defect:  # noqa: BLE001 - as above
            self._lane.job.broke(defect)

    def _parse(self, part: bytes) -> None:
        """An answer in pieces, or of a less common form."""
        job = self._lane.job
        if not part and not self._heard:
            self._broken(ConnectionResetError(errno.ECONNRESET, "closed before the answer"))
            return
        if self._answer is None or not self._heard:
            self._answer = self._answer if self._answer is not None else Answer()
            self._answer.reset(keep_body=job.keeps(self.i), header=job.header(self.i))
        self._heard = True
        answer = self._answer
        try:
            answer.feed(part)
        except HTTPParseError:
            if not answer.complete:
                self._fail(Failure.PROTOCOL if part else Failure.RESET)
                return
            answer.keep = False  # bytes that nobody asked for, behind a complete answer
        if answer.complete:
            self._parsed(answer)
        elif not part:
            self._fail(Failure.RESET)

    def _parsed(self, answer: Answer) -> None:
        job = self._lane.job
        self.busy = self._heard = False
        self._used = True
        job.answer(self.i, answer.status, answer.size, answer.body, len(answer.body), answer.kept)
        if answer.keep:
            self._lane.free(self)
        else:
            self.close()

    def _broken(self, error: OSError) -> None:
        """The connection ended under a request.

        The server may close an idle connection in the instant that we use it; a client asks again. Only on a
        used connection and only what is safe to ask twice, so that a failing app stays visible.
        """
        if not self.busy:
            self.close()
            return
        job = self._lane.job
        if self._used and not self._heard and job.messages[self.i].startswith(b"GET "):
            job.ledger.retried += 1
            self._disconnect()
            self._connect()
            return
        self._fail(
            Failure.RESET if error.errno in (errno.ECONNRESET, errno.EPIPE) else failure_of_code(error.errno)
        )

    def _fail(self, failure: Failure) -> None:
        i = self.i
        self.busy = False
        self._disconnect()
        self._lane.job.fail(i, failure)
        self._lane.lost(self)

    def _disconnect(self) -> None:
        for watcher in (self._reader, self._writer):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._reader = self._writer = None
        self._answer = None
        self._rest = b""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
