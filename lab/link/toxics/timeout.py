"""``timeout``: nothing gets through, and after a while the connection is closed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from lab.link.alarms import now
from lab.link.stage import Stage, Way


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """``timeout`` in milliseconds since the toxic covers the connection; at 0 it is not closed."""

    timeout: int = 0


class Timeout(Stage[Attributes]):
    """Drops data. A connection that has lost some is closed when the toxic goes: a stream with a hole in it
    would be read as something that nobody sent."""

    def __init__(self, way: Way, attributes: Attributes, random: Random) -> None:
        super().__init__(way, attributes, random)
        self._lost = False

    def begin(self) -> None:
        if self.attributes.timeout:
            self.wake(now() + self.attributes.timeout / 1e3)

    def data(self, _piece: bytes) -> None:
        self._lost = True

    def due(self) -> None:
        self.close()

    def removed(self) -> None:
        self.flush()
        if self._lost:
            self.close()
