"""``reset_peer``: connections end with a TCP reset."""

from __future__ import annotations

from dataclasses import dataclass

from lab.link.alarms import NEVER, now
from lab.link.stage import Queue


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """``timeout``: milliseconds from when the toxic covers the connection to the reset; 0 is at once."""

    timeout: int = 0


class ResetPeer(Queue[Attributes]):
    """Until the reset nothing gets through; what came is delivered after all where the toxic goes before."""

    def begin(self) -> None:
        self.wake(now() + self.attributes.timeout / 1e3)

    def data(self, piece: bytes) -> None:
        self.put(NEVER, piece)

    def end(self) -> None:
        self.put(NEVER, b"")

    def due(self) -> None:
        self.reset()
