"""A small HTTP server with known behaviour: the truth that the load driver's report is checked against."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from stock_under_test import STOCK, Stock

GONE = b"HTTP/1.1 204 No Content\r\n\r\n"


def _plain(status: str, body: bytes = b"hello", extra: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b" % (status.encode(), len(body), extra, body)


ANSWERS = {
    "/ok": _plain("200 OK"),
    "/fail": _plain("500 Internal Server Error"),
    "/missing": _plain("404 Not Found"),
    "/nothing": GONE,
    "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
    "/early": b"HTTP/1.1 103 Early Hints\r\n\r\n" + _plain("200 OK"),
    "/last": _plain("200 OK", extra=b"Connection: close\r\n"),
    "/garbage": b"SSH-2.0-OpenSSH\r\n\r\n",
    "/half": b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf",
    "/drop": b"",
    "/moved": _plain("302 Found", extra=b"Location: /ok\r\n"),
    "/endless": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",  # and then a chunk now and then
    "/headless": b"HTTP/1.1 200 OK\r\n",  # and then a header line now and then
    "/large": _plain("200 OK", b"x" * 200_000 + b"needle"),
}
_GOES_ON = {"/endless": b"5\r\nhello\r\n", "/headless": b"X-More: yes\r\n"}
_ENDS = ("/half", "/drop", "/last", "/garbage")  # the server closes the connection after these


class Web(asyncio.Protocol):
    """One connection. ``/hang`` is never answered; ``/once`` only as the first request of its connection."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.asked = 0
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.site.connections += 1
        self.site.peers.add(transport.get_extra_info("peername")[0])
        self.site.open.add(transport)
        self.site.most_open = max(self.site.most_open, len(self.site.open))

    def connection_lost(self, exc: Exception | None) -> None:
        self.site.open.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, _, rest = self.received.partition(b"\r\n\r\n")
            size = next(
                (int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), 0
            )
            if len(rest) < size:
                return
            self.received = rest[size:]
            self._take(head.decode(), rest[:size])

    def _take(self, head: str, body: bytes) -> None:
        method, target, _ = head.split("\r\n")[0].split(" ")
        self.site.requests.append((method, target, body))
        self.site.heads.append(head)
        path = "/" + target.split("/")[1].split("?")[0]
        self.asked += 1
        if path == "/once":
            path = "/ok" if self.asked == 1 else "/drop"
        if path in STOCK:
            answer = self.site.stock.answer(method, target, body)
            asyncio.get_running_loop().call_later(self.site.delay_s, self.transport.write, answer)
        elif path != "/hang":
            asyncio.get_running_loop().call_later(self.site.delay_s, self._give, path)

    def _give(self, path: str) -> None:
        self.transport.write(ANSWERS[path])
        if path in _GOES_ON:
            self._go_on(_GOES_ON[path])
            return
        if path in _ENDS:
            self.transport.close()

    def _go_on(self, more: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(more)
            asyncio.get_running_loop().call_later(0.02, self._go_on, more)


class Site:
    """The server as a test sees it."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s
        self.requests: list[tuple[str, str, bytes]] = []
        self.heads: list[str] = []
        self.connections = 0
        self.peers: set[str] = set()
        self.most_open = 0
        self.open: set[asyncio.Transport] = set()
        self.stock = Stock()
        self.loop = asyncio.new_event_loop()
        self.url = ""

    def stall(self, at_ns: int, length_s: float) -> Future[tuple[int, int]]:
        """Stop the whole server from ``at_ns`` on; the result is when it really stood still."""
        result: Future[tuple[int, int]] = Future()

        def stand_still() -> None:
            start = time.monotonic_ns()
            threading.Event().wait(length_s)
            result.set_result((start, time.monotonic_ns()))

        delay = (at_ns - time.monotonic_ns()) / 1e9
        self.loop.call_soon_threadsafe(lambda: self.loop.call_later(delay, stand_still))
        return result

    def hang_up(self) -> None:
        """Close every connection from the server's side; returns when that is done."""

        async def close() -> None:
            for transport in list(self.open):
                transport.close()
            while self.open:
                await asyncio.sleep(0.001)

        asyncio.run_coroutine_threadsafe(close(), self.loop).result(5)


@contextmanager
def serving(
    delay_s: float = 0.0, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> Iterator[Site]:
    """A site on a free port, in a thread; with a certificate, an https one."""
    site = Site(delay_s)
    listening = socket.create_server((host, 0), backlog=1024)
    site.url = f"{'https' if tls else 'http'}://{host}:{listening.getsockname()[1]}"
    thread = threading.Thread(target=site.loop.run_forever, daemon=True)
    thread.start()

    async def start() -> asyncio.Server:
        return await site.loop.create_server(lambda: Web(site), sock=listening, ssl=tls)

    async def stop(server: asyncio.Server) -> None:
        server.close()
        for transport in list(site.open):
            transport.abort()

    server = asyncio.run_coroutine_threadsafe(start(), site.loop).result(5)
    try:
        yield site
    finally:
        asyncio.run_coroutine_threadsafe(stop(server), site.loop).result(5)
        site.loop.call_soon_threadsafe(site.loop.stop)
        thread.join(5)
        site.loop.close()
