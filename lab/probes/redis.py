"""What Redis itself counts: commands served, look-ups that found their key or not, and bytes sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Quantity, Running
from lab.probes import _asking

# Sent by clients to open, check and watch a connection, this probe's own among them: not the app's work.
_UPKEEP = frozenset({"auth", "client", "command", "config", "hello", "info", "ping", "quit", "select"})

PREFLIGHT = 50


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Redis:
    """Counters of the whole server, since it started (a restarted server counts from zero)."""

    needs: ClassVar[frozenset[str]] = frozenset({"redis"})
    lag_s: ClassVar[float] = 0.0  # counted as each command is served
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "commands": Quantity(
            unit="commands", scale="difference", doc="Commands served, without those that keep a connection"
        ),
        "hits": Quantity(unit="look-ups", scale="difference", doc="Look-ups that found their key"),
        "misses": Quantity(unit="look-ups", scale="difference", doc="Look-ups that found nothing"),
        "sent": Quantity(
            unit="bytes",
            scale="difference",
            doc="Bytes sent to clients, with the few KB that this probe is told once in a block",
        ),
    }

    def read(self, running: Running) -> Mapping[str, float]:
        """Totals since the server started. Raises EnvironmentFailed where it does not answer."""
        with _asking.redis(running) as client:
            commands = client.info("commandstats")
            stats = client.info("stats")
        served = (
            entry["calls"]
            for name, entry in commands.items()
            if name.removeprefix("cmdstat_").partition("|")[0] not in _UPKEEP
        )
        return {
            "commands": float(sum(served)),
            "hits": float(stats["keyspace_hits"]),
            "misses": float(stats["keyspace_misses"]),
            "sent": float(stats["total_net_output_bytes"]),
        }

    def preflight(self, running: Running) -> str:
        """Look up a key that is not there a known number of times and read the counts back at once."""
        before = self.read(running)
        with _asking.redis(running) as client:
            for _ in range(PREFLIGHT):
                client.get("counter:check")
        after = self.read(running)
        counted = {name: after[name] - before[name] for name in ("commands", "misses")}
        if set(counted.values()) == {float(PREFLIGHT)}:
            return ""
        told = ", ".join(f"{number:.0f} {name}" for name, number in counted.items())
        return f"{PREFLIGHT} keys that are not there were looked up; counted were {told}"
