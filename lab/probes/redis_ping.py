"""Does Redis answer at all? What it says to PING, and how long that takes."""

from __future__ import annotations

from time import perf_counter
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.model.stack import Evidence, Running
from lab.probes import _asking


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class RedisPing:
    """PING over a new connection. A dead Redis refuses, a frozen one says nothing for 5 s."""

    needs: ClassVar[frozenset[str]] = frozenset({"redis"})

    def capture(self, running: Running) -> Evidence:
        """What redis-cli would print, also where nobody answers."""
        return Evidence(
            title="PING of Redis",
            command=f"{_asking.redis_cli(running)} PING",
            text=_text(running),
            kind="redis-ping",
        )


def _text(running: Running) -> str:
    began = perf_counter()
    try:
        with _asking.redis(running) as client:
            client.ping()
    except EnvironmentFailed as failed:
        return f"Could not connect to Redis: {str(failed.why).partition(chr(10))[0]}"
    return f"PONG\nconnected and answered in {(perf_counter() - began) * 1e3:.1f} ms"
