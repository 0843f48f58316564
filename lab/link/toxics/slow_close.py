"""``slow_close``: a connection that ends, ends later."""

from __future__ import annotations

from dataclasses import dataclass

from lab.link.alarms import now
from lab.link.stage import Queue


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """``delay`` in milliseconds."""

    delay: int = 0


class SlowClose(Queue[Attributes]):
    """Data passes as before, the end of it is told ``delay`` later."""

    def end(self) -> None:
        self.put(now() + self.attributes.delay / 1e3, b"")
