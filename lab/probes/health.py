"""One request to the health check, and where its time goes, as curl -w breaks it down."""

from __future__ import annotations

import http.client
import socket
import time
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Evidence, Running

_FORMAT = (
    r"time_namelookup: %{time_namelookup}s\ntime_connect: %{time_connect}s\n"
    r"time_starttransfer: %{time_starttransfer}s\ntime_total: %{time_total}s\n"
)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Health:
    """``GET path`` of the app over a new connection: status, body, and the moments of the answer."""

    path: str = "/health"

    needs: ClassVar[frozenset[str]] = frozenset({"app"})

    def capture(self, running: Running) -> Evidence:
        """Status, body and seconds since the start, or why nothing answers."""
        try:
            text = _timed(running.url, self.path)
        except (OSError, http.client.HTTPException) as error:
            text = f"no answer: {error}"
        return Evidence(
            title="Health check",
            command=f"curl -s -w '{_FORMAT}' {running.url}{self.path}",
            text=text,
            kind="health",
        )


def _timed(url: str, path: str) -> str:
    parts = urlsplit(url)
    began = time.perf_counter()
    family, _, _, _, address = socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_STREAM)[0]
    looked_up = time.perf_counter()
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=5)
    try:
        connection.sock = socket.socket(family, socket.SOCK_STREAM)
        connection.sock.settimeout(5)
        connection.sock.connect(address)
        connected = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        first = time.perf_counter()
        body = answer.read().decode(errors="replace")
        total = time.perf_counter()
    finally:
        connection.close()
    moments = {
        "time_namelookup": looked_up,
        "time_connect": connected,
        "time_starttransfer": first,
        "time_total": total,
    }
    lines = [f"{name}: {moment - began:.6f}s" for name, moment in moments.items()]
    return "\n".join([f"HTTP {answer.status} {answer.reason}", body, *lines])
