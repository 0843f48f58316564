"""Every command that reaches Redis within a moment, and who sent it."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Evidence, Running
from lab.probes import _asking
from lab.probes._window import Lines, Window, shortened

if TYPE_CHECKING:
    from redis import Redis


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class RedisMonitor:
    """MONITOR for the window or for ``lines`` commands, whichever ends first: it costs Redis much of its speed."""

    window: Window = 1.0
    lines: Lines = 50

    needs: ClassVar[frozenset[str]] = frozenset({"redis"})

    def capture(self, running: Running) -> Evidence:
        """Lines as redis-cli prints them. Raises EnvironmentFailed where Redis does not answer."""
        with _asking.redis(running) as client:
            seen = _monitored(client, self.window, self.lines)
        return Evidence(
            title="Commands to Redis",
            command=f"timeout {self.window:g} {_asking.redis_cli(running)} MONITOR | head -n {self.lines}",
            text="\n".join([*seen, f"{len(seen)} commands seen in at most {self.window:g} s"]),
            kind="redis-monitor",
        )


def _monitored(client: Redis, window_s: float, lines: int) -> list[str]:
    pool = client.connection_pool
    line: Any = pool.get_connection()
    seen: list[str] = []
    try:
        line.send_command("MONITOR")
        line.read_response()
        ends = monotonic() + window_s
        while len(seen) < lines and (left := ends - monotonic()) > 0:
            if line.can_read(timeout=left):
                seen.append(shortened(_asking.text(line.read_response())))
    finally:
        line.disconnect()  # the only way out of MONITOR
        pool.release(line)
    return seen
