"""``limit_data``: after so many bytes the connection is closed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from lab.link.stage import Stage, Way


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """``bytes`` that each connection may carry since the toxic covers it."""

    bytes: int = 0


class LimitData(Stage[Attributes]):
    """Counts on where only the limit is changed."""

    def __init__(self, way: Way, attributes: Attributes, random: Random) -> None:
        super().__init__(way, attributes, random)
        self._passed = 0
        self._closed = False

    def data(self, piece: bytes) -> None:
        if self._closed:
            return
        part = piece[: max(0, self.attributes.bytes - self._passed)]
        self._passed += len(part)
        if part:
            self.on(part)
        if self._passed >= self.attributes.bytes:
            self._closed = True
            self.close()
