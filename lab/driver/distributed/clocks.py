"""How far another machine's monotonic clock is ahead of ours, from questions and answers. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Echo(NamedTuple):
    """We asked at ``sent_ns`` and heard at ``heard_ns`` that it was ``there_ns`` over there."""

    sent_ns: int
    there_ns: int
    heard_ns: int

    @property
    def round_trip_ns(self) -> int:
        return self.heard_ns - self.sent_ns

    @property
    def ahead_ns(self) -> int:
        """Wrong by half the round trip at most: the answer was given somewhere in it."""
        return self.there_ns - (self.sent_ns + self.heard_ns) // 2


def ahead_ns(echoes: Iterable[Echo]) -> int:
    """What the quickest of the echoes says. ValueError without any."""
    return min(echoes, key=lambda echo: echo.round_trip_ns).ahead_ns
