"""A server behind a link, and a client before it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

from lab.link.client import LinkClient, LinkedProxy

SECONDS = 10.0
HELLO = b"hello"


class Echo:
    """Greets, says everything again, and after the end of what it hears says ``bye`` and closes. A first line
    ``send N`` is answered with N bytes."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        self.resets = 0
        self.ended = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with line:
            try:
                line.sendall(HELLO)
                while said := line.recv(1 << 16):
                    line.sendall(bytes(int(said[5:])) if said.startswith(b"send ") else said)
                self.ended += 1
                line.sendall(b"bye")
            except ConnectionResetError:
                self.resets += 1
            except OSError:
                pass


@contextmanager
def line(proxy: LinkedProxy, *, greeted: bool = True) -> Iterator[socket.socket]:
    with socket.create_connection((proxy.host, proxy.port), timeout=SECONDS) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if greeted:
            assert read(sock, len(HELLO)) == HELLO
        yield sock


def read(sock: socket.socket, size: int) -> bytes:
    """So many bytes, or what came before the end."""
    found = b""
    while len(found) < size and (part := sock.recv(size - len(found))):
        found += part
    return found


def ask(sock: socket.socket, text: bytes = b"ping") -> float:
    """Seconds from a question to its answer."""
    began = time.monotonic()
    sock.sendall(text)
    assert read(sock, len(text)) == text
    return time.monotonic() - began


def silent(sock: socket.socket, seconds: float = 0.2) -> bool:
    sock.settimeout(seconds)
    try:
        return not sock.recv(1, socket.MSG_PEEK) and False
    except TimeoutError:
        return True
    finally:
        sock.settimeout(SECONDS)


def http_of(client: LinkClient) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(client.url.removeprefix("http://"), timeout=SECONDS)


def call(
    client: LinkClient, method: str, path: str, body: object = None, **headers: str
) -> tuple[int, Any, http.client.HTTPResponse]:
    with closing(http_of(client)) as asked:
        text = body if isinstance(body, str | bytes) or body is None else json.dumps(body)
        asked.request(method, path, text, {"User-Agent": "a test", **headers})
        answer = asked.getresponse()
        content = answer.read()
    return answer.status, json.loads(content) if content.startswith((b"{", b"[")) else content, answer
