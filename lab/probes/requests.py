"""How many requests the app is answering at one moment: what piles up behind a server that never answers."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from time import monotonic, sleep
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.model.stack import Gauge, Running

PREFLIGHT = 5
TIMEOUT_S = 2
_SEEN_S, _LOOK_S = 1.0, 0.02
_ACTIVE = "shop_requests_active "
_HELD = "POST /orders HTTP/1.1\r\nHost: lab\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Requests:
    """Requests that the app has begun and not ended, as its ``/metrics`` has them. Of one process."""

    needs: ClassVar[frozenset[str]] = frozenset({"app"})
    gauges: ClassVar[Mapping[str, Gauge]] = {
        "in_flight": Gauge(
            unit="requests",
            scale="difference",
            doc="The most that the app was answering at one moment",
            reading="active",
            statistic="peak",
        ),
    }

    def sample(self, running: Running) -> Mapping[str, float]:
        """Requests being answered now, without the one that asks. Raises EnvironmentFailed."""
        try:
            return {"active": _active(running.url) - 1}
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise EnvironmentFailed(
                what="the app did not say how many requests it is answering",
                where=f"{running.url}/metrics",
                why=str(error) or type(error).__name__,
                do="look at the log of app in the run folder",
            ) from error

    def preflight(self, running: Running) -> str:
        """Begin a known number of requests without sending their bodies, and read them back."""
        parts = urlsplit(running.url)
        counted = before = self.sample(running)["active"]
        with ExitStack() as held:
            for _ in range(PREFLIGHT):
                one = socket.create_connection((str(parts.hostname), parts.port), TIMEOUT_S)
                held.enter_context(one).sendall(_HELD.encode())
            ends = monotonic() + _SEEN_S
            while (counted := self.sample(running)["active"]) - before < PREFLIGHT and monotonic() < ends:
                sleep(_LOOK_S)
        if counted - before == PREFLIGHT:
            return ""
        return f"{PREFLIGHT} requests were begun, {counted - before:.0f} were counted"


def _active(url: str) -> float:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    finally:
        connection.close()
    for line in lines:
        if line.startswith(_ACTIVE):
            return float(line.removeprefix(_ACTIVE))
    raise ValueError("its metrics have no shop_requests_active")
