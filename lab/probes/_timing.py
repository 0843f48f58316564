"""One request over a new connection, and the moments that curl tells of it."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 5.0
MOMENTS = ("namelookup", "connect", "appconnect", "pretransfer", "redirect", "starttransfer", "total")


@dataclass(frozen=True)
class Timed:
    """Seconds since the beginning by curl's names; 0 for what there was none of (TLS, a redirect)."""

    status: int
    reason: str
    body: bytes
    moments: Mapping[str, float]

    def lines(self, *names: str) -> list[str]:
        return [f"time_{name}: {self.moments[name]:.6f}s" for name in names]


def written(*names: str) -> str:
    """What curl has to be told to print the same."""
    return "".join(rf"time_{name}: %{{time_{name}}}s\n" for name in names)


def timed(url: str) -> Timed:
    """``GET url``; a redirect is not followed. Raises OSError, http.client.HTTPException."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    host, port = str(parts.hostname), parts.port or (443 if secure else 80)
    moments, began = dict.fromkeys(MOMENTS, 0.0), time.perf_counter()

    def passed(name: str) -> None:
        moments[name] = time.perf_counter() - began

    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    passed("namelookup")
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.sock = _connected(found)
        passed("connect")
        if secure:
            connection.sock = ssl.create_default_context().wrap_socket(connection.sock, server_hostname=host)
            passed("appconnect")
        passed("pretransfer")
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        answer = connection.getresponse()
        passed("starttransfer")
        body = answer.read()
        passed("total")
    finally:
        connection.close()
    return Timed(answer.status, answer.reason, body, moments)


def _connected(found: Sequence[tuple[Any, ...]]) -> socket.socket:
    """The first address that takes a connection, as curl goes through them. Raises OSError."""
    failed: OSError = OSError("the name has no address")
    for family, _, _, _, address in found:
        one = socket.socket(family, socket.SOCK_STREAM)
        one.settimeout(TIMEOUT_S)
        try:
            one.connect(address)
        except OSError as error:
            one.close()
            failed = error
        else:
            return one
    raise failed
