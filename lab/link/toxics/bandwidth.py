"""``bandwidth``: so many kilobytes a second and no more."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from lab.link.alarms import NEVER, now
from lab.link.stage import KEPT, Queue, Way

_STEP_S = 0.01
_AHEAD_S = 0.05  # so much is kept ready, or the way would stand empty until the sender was woken up


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """``rate``: kilobytes (1000 bytes) a second; at 0 nothing gets through."""

    rate: int = 0


class Bandwidth(Queue[Attributes]):
    """A byte arrives when it and all before it have passed at that rate: there is no burst to begin with."""

    def __init__(self, way: Way, attributes: Attributes, random: Random) -> None:
        super().__init__(way, attributes, random)
        self._free = 0.0

    def begin(self) -> None:
        self._free = 0.0
        self.limit = max(KEPT, round(self.attributes.rate * 1e3 * _AHEAD_S))

    def data(self, piece: bytes) -> None:
        per_s = self.attributes.rate * 1000
        if not per_s:
            self.put(NEVER, piece)
            return
        step = max(1, round(per_s * _STEP_S))
        self._free = max(self._free, now())
        for at in range(0, len(piece), step):
            part = piece[at : at + step]
            self._free += len(part) / per_s
            self.put(self._free, part)

    def end(self) -> None:
        self.put(self._free if self.attributes.rate else NEVER, b"")
