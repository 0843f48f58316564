"""Does Redis answer, how much does it do, and how often does it have what it is asked for?"""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.model.stack import Evidence, Running
from lab.probes import _asking

_SHOWN = (
    "total_commands_processed",
    "instantaneous_ops_per_sec",
    "keyspace_hits",
    "keyspace_misses",
    "expired_keys",
    "evicted_keys",
    "rejected_connections",
)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class RedisInfo:
    """PING, the main lines of INFO stats, and the hit rate. A dead Redis shows its refusal."""

    needs: ClassVar[frozenset[str]] = frozenset({"redis"})

    def capture(self, running: Running) -> Evidence:
        """Text as redis-cli prints it, also where nothing answers."""
        address = running.redis_url.rpartition("@")[2].removeprefix("redis://").partition("/")[0]
        host, _, port = address.rpartition(":")
        return Evidence(
            title="Redis",
            command=f"redis-cli -h {host} -p {port} PING; redis-cli -h {host} -p {port} INFO stats",
            text=_text(running),
            kind="redis-info",
        )


def _text(running: Running) -> str:
    try:
        with _asking.redis(running) as client:
            client.ping()
            stats = client.info("stats")
            clients = client.info("clients")
    except EnvironmentFailed as failed:
        return f"Could not connect to Redis: {str(failed.why).partition(chr(10))[0]}"
    looked_up = stats["keyspace_hits"] + stats["keyspace_misses"]
    rate = f"{stats['keyspace_hits'] / looked_up:.1%}" if looked_up else "no look-up yet"
    lines = [f"{name}:{stats[name]}" for name in _SHOWN if name in stats]
    return "\n".join(
        ["PONG", *lines, f"connected_clients:{clients['connected_clients']}", f"hit rate: {rate}"]
    )
