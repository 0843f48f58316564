"""HTTP/1.1 to one backend over connections that are kept. One request at a time on each of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import cast

import httptools

Headers = list[tuple[bytes, bytes]]
LARGEST_BODY = 16 * 2**20


class Failed(Exception):
    """No whole answer came: ``refused`` (no connection), ``cut`` (it broke off) or ``timeout``."""

    def __init__(self, how: str, why: object = "") -> None:
        super().__init__(f"{how}: {why}" if str(why) else how)
        self.how = how


@dataclass
class Reply:
    """A whole answer."""

    status: int = 0
    headers: Headers = field(default_factory=list)
    body: bytes = b""


@dataclass(frozen=True)
class Asked:
    """A request, ready to be sent."""

    method: bytes
    target: bytes
    headers: Headers
    body: bytes = b""

    def wire(self) -> bytes:
        lines = [b"%b %b HTTP/1.1" % (self.method, self.target)]
        lines += [b"%b: %b" % header for header in self.headers]
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body


class Connection(asyncio.Protocol):
    """One of them. ``open`` while another request may be sent on it."""

    def __init__(self) -> None:
        self.open = False
        self.used = False
        self.began = False  # some of the answer is there
        self._bare = False  # the answer tells the length of a body that does not come
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Reply] | None = None
        self._reply, self._parts, self._size = Reply(), list[bytes](), 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.open = True

    async def ask(self, asked: Asked) -> Reply:
        """Raises Failed. Cancelled, it closes the connection, by which the backend learns that nobody waits."""
        assert self._transport is not None
        self.used, self.began, self._bare = True, False, asked.method == b"HEAD"
        self._reply, self._parts, self._size = Reply(), [], 0
        self._parser = httptools.HttpResponseParser(self)
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            self._transport.write(asked.wire())
            return await self._waiting
        except BaseException:
            self.close()
            raise
        finally:
            self._waiting = None

    def close(self) -> None:
        self.open = False
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._waiting is None:
            self.close()  # what was never asked for
            return
        self.began = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(Failed("cut", error))

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self._fail(Failed("cut", exc or "the backend closed the connection"))

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._reply.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._reply.status = self._parser.get_status_code()
        if self._bare:
            self.open = False
            self._end()

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)
        self._size += len(body)
        if self._size > LARGEST_BODY:
            self._fail(Failed("cut", f"the answer is larger than {LARGEST_BODY} bytes"))
            self.close()

    def on_message_complete(self) -> None:
        if self._reply.status < 200:  # an interim answer: the real one follows
            self._reply = Reply()
            return
        self.open = self.open and self._parser.should_keep_alive()
        self._end()

    def _end(self) -> None:
        self._reply.body = b"".join(self._parts)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(self._reply)

    def _fail(self, failed: Failed) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(failed)


class Connections:
    """Those to one backend: an idle one is used again, the one that was used last first."""

    def __init__(self, host: str, port: int, *, connect_timeout_s: float) -> None:
        self._host, self._port, self._connect_timeout_s = host, port, connect_timeout_s
        self._idle: list[Connection] = []

    async def ask(self, asked: Asked, *, again: bool) -> Reply:
        """The backend's answer. Raises Failed.

        A kept connection may have been closed at the other end just now. Where it breaks off before the
        first byte of an answer and it does no harm to ask ``again``, that is done once, on a new one.
        """
        connection = self._kept() or await self._new()
        stale = connection.used
        try:
            return await self._on(connection, asked)
        except Failed:
            if not (stale and again) or connection.began:
                raise
        return await self._on(await self._new(), asked)

    async def ask_anew(self, asked: Asked) -> Reply:
        """On a connection of its own, as a health check does. Raises Failed."""
        connection = await self._new()
        try:
            return await connection.ask(asked)
        finally:
            connection.close()

    async def _on(self, connection: Connection, asked: Asked) -> Reply:
        reply = await connection.ask(asked)
        if connection.open:
            self._idle.append(connection)
        else:
            connection.close()
        return reply

    def _kept(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.open:
                return connection
        return None

    async def _new(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, connection = await loop.create_connection(Connection, self._host, self._port)
        except TimeoutError as error:
            raise Failed("timeout", "no connection") from error
        except OSError as error:
            raise Failed("refused", error) from error
        return connection

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()
