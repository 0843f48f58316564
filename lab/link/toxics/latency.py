"""``latency``: everything arrives later, and as fast as before: a longer way, not a narrower one."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from lab.link.alarms import now
from lab.link.stage import Queue, Way


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """Milliseconds; each piece takes ``latency`` plus or minus up to ``jitter``, evenly spread."""

    latency: int = 0
    jitter: int = 0


class Latency(Queue[Attributes]):
    """Each piece leaves at its arrival + latency; one that jitter would let overtake leaves with the one before."""

    limit = 32 << 20  # what is on its way: enough for 500 MB/s over 60 ms

    def __init__(self, way: Way, attributes: Attributes, random: Random) -> None:
        super().__init__(way, attributes, random)
        self._last = 0.0

    def data(self, piece: bytes) -> None:
        jitter = self.attributes.jitter
        delay_ms = self.attributes.latency + (self.random.uniform(-jitter, jitter) if jitter else 0)
        self._last = max(self._last, now() + delay_ms / 1e3)
        self.put(self._last, piece)

    def end(self) -> None:
        self.data(b"")

    def flush(self) -> None:
        super().flush()
        self._last = 0.0
