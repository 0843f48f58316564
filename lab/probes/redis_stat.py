"""Redis second by second: keys, memory, clients, commands, as redis-cli --stat shows them."""

from __future__ import annotations

import time
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Evidence, Running
from lab.probes import _asking
from lab.probes._window import Window

_HEAD = ("keys", "memory MB", "clients", "blocked", "commands", "more", "connections", "hits", "misses")
_EVERY_S = 1.0


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class RedisStat:
    """A row now and one for each second of the window; ``more`` is commands since the row before."""

    window: Window = 3.0

    needs: ClassVar[frozenset[str]] = frozenset({"redis"})

    def capture(self, running: Running) -> Evidence:
        """An aligned table. Raises EnvironmentFailed where Redis does not answer."""
        rows: list[list[object]] = []
        with _asking.redis(running) as client:
            for n in range(1 + int(self.window / _EVERY_S)):
                if n:
                    time.sleep(_EVERY_S)
                now = client.info()
                before = rows[-1][4] if rows else None
                rows.append(_row(now, client.dbsize(), before))
        return Evidence(
            title="Redis second by second",
            command=f"{_asking.redis_cli(running)} --stat -i 1",
            text=_asking.table(_HEAD, rows),
            kind="redis-stat",
        )


def _row(info: dict[str, object], keys: int, before: object) -> list[object]:
    def number(name: str) -> int:
        return int(str(info[name]))

    commands = number("total_commands_processed")
    return [
        keys,
        number("used_memory") / 1e6,
        number("connected_clients"),
        number("blocked_clients"),
        commands,
        commands - before if isinstance(before, int) else 0,
        number("total_connections_received"),
        number("keyspace_hits"),
        number("keyspace_misses"),
    ]
