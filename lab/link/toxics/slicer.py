"""``slicer``: data comes in small pieces, with a pause after each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from lab.link.alarms import now
from lab.link.stage import Queue, Way


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """Bytes, plus or minus up to ``size_variation``, and microseconds of ``delay`` between two pieces.
    An ``average_size`` of 0 cuts nothing."""

    average_size: int = 0
    size_variation: int = 0
    delay: int = 0


class Slicer(Queue[Attributes]):
    """Each piece is sent on its own, never with the next one in the same turn."""

    def __init__(self, way: Way, attributes: Attributes, random: Random) -> None:
        super().__init__(way, attributes, random)
        self._free = 0.0

    def data(self, piece: bytes) -> None:
        self._free = max(self._free, now())
        for part in slices(piece, self.attributes, self.random):
            self.put(self._free, part)
            self._free += self.attributes.delay / 1e6

    def end(self) -> None:
        self.put(max(self._free, now()), b"")

    def due(self) -> None:
        self.take()
        self.again()

    def flush(self) -> None:
        super().flush()
        self._free = 0.0


def slices(piece: bytes, by: Attributes, random: Random) -> Iterator[bytes]:
    """The piece in parts of about ``average_size`` bytes, in order and without loss."""
    at = 0
    while at < len(piece):
        size = by.average_size + random.randint(-by.size_variation, by.size_variation)
        until = at + max(1, size) if by.average_size else len(piece)
        yield piece[at:until]
        at = until
