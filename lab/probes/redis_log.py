"""The last lines of Redis' log, and the commands that Redis itself calls slow."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.model.stack import Evidence, Running
from lab.probes import _asking
from lab.probes._window import Lines, shortened


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class RedisLog:
    """The last ``lines`` of the log and of SLOWLOG."""

    lines: Lines = 20

    needs: ClassVar[frozenset[str]] = frozenset({"redis"})

    def capture(self, running: Running) -> Evidence:
        """The lines as they are; those of SLOWLOG where it answers."""
        return Evidence(
            title="Log of Redis",
            command=f"tail -n {self.lines} redis.log; {_asking.redis_cli(running)} SLOWLOG GET {self.lines}",
            text="\n".join([running.logs("redis", self.lines) or "nothing logged", *self._slow(running)]),
            kind="redis-log",
        )

    def _slow(self, running: Running) -> list[str]:
        try:
            with _asking.redis(running) as client:
                slow = client.slowlog_get(self.lines)
        except EnvironmentFailed as failed:
            return [f"no SLOWLOG: {failed.why.partition(chr(10))[0]}"]
        lines = [
            f"slow: {one['duration'] / 1e3:.1f} ms  {shortened(_asking.text(one['command']))}" for one in slow
        ]
        return lines or ["no slow command since Redis started"]
