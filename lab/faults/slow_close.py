"""Connections that end are not seen to end for a while."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import ClassVar

from pydantic.dataclasses import dataclass

from lab.faults._toxic import FORM, PATIENCE_S, Toxic, middle_ms, slack_of, whole
from lab.faults._wire import tries
from lab.model.dose import Dose
from lab.model.stack import Running
from lab.model.units import Seconds

_TRIES = 5
_SLACK, _SLACK_MS = 0.02, 10.0


@dataclass(frozen=True, config=FORM, kw_only=True)
class SlowClose(Toxic):
    """Hold back the end of a connection to a service for ``delay``; data passes as before."""

    delay: Seconds

    toxic: ClassVar[str] = "slow_close"

    def __post_init__(self) -> None:
        self.attributes  # noqa: B018 - says what is wrong with it

    @property
    def attributes(self) -> Mapping[str, int]:
        return {"delay": whole(self.delay * 1e3, "delay in milliseconds", least=1)}

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """From when a client closes its side to when the other side is closed, through the link less past it."""
        point = running.link(self.link)
        there, direct = (
            [
                one.seconds
                for one in tries(self.link, address, _TRIES, patience, closing=True)
                if one.ending == "cut"
            ]
            for address, patience in ((point.listen, self.delay + PATIENCE_S), (point.direct, PATIENCE_S))
        )
        asked = self.delay * 1e3
        return (
            Dose(
                what="time to the end of a connection",
                unit="ms",
                asked=asked,
                delivered=middle_ms([seconds - median(direct or [0.0]) for seconds in there]),
                slack=slack_of(asked, _SLACK, _SLACK_MS),
            ),
        )
