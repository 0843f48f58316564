"""The way between the app and a server takes longer."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import ClassVar

from pydantic.dataclasses import dataclass

from lab.faults._toxic import FORM, PATIENCE_S, PartToxic, measured, slack_of, whole
from lab.faults._wire import Address, line, small
from lab.model.dose import Dose
from lab.model.stack import Running
from lab.model.units import Seconds

_MEASURED_S = 0.6
_SLACK, _SLACK_MS = 0.02, 2.0
_SERIES, _MOST, _FEWEST = 3, 15, 3


@dataclass(frozen=True, config=FORM, kw_only=True)
class Latency(PartToxic):
    """Have every piece of data arrive ``delay`` later, plus or minus up to ``jitter``, on the link to a service."""

    delay: Seconds
    jitter: Seconds = 0.0

    toxic: ClassVar[str] = "latency"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.attributes["jitter"] > self.attributes["latency"]:
            raise ValueError("jitter is at most the delay: nothing arrives before it was sent")

    @property
    def attributes(self) -> Mapping[str, int]:
        return {
            "latency": whole(self.delay * 1e3, "delay in milliseconds", least=1),
            "jitter": whole(self.jitter * 1e3, "jitter in milliseconds"),
        }

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """What a round trip takes through the link more than past it; with a toxicity, of a connection that it
        covers, and the share of those."""
        added = self._added(measured(lambda: self._round_trips(running)))
        if self.toxicity == 1:
            return (added,)
        fared = self.tried(running, self.delay + self.jitter + PATIENCE_S)
        late = [one.seconds > self._late for one in fared]
        return self.share("connections that are late", late), added

    @property
    def _late(self) -> float:
        """What tells a connection that the toxic covers, in seconds."""
        return self.delay / 2 if self.toxicity < 1 else 0.0

    def _added(self, delivered: float | None) -> Dose:
        asked = self.delay * 1e3
        return Dose(
            what="added to a round trip",
            unit="ms",
            asked=asked,
            delivered=delivered,
            slack=slack_of(asked, _SLACK, self.jitter * 1e3 + _SLACK_MS),
        )

    def _round_trips(self, running: Running) -> float:
        """In ms. Of three series the least: what a machine that is busy otherwise adds, it only adds."""
        point = running.link(self.link)
        series = [
            self._round_trip(running, point.listen, self._late) - self._round_trip(running, point.direct, 0.0)
            for _ in range(_SERIES)
        ]
        return 1e3 * (median(series) if self.jitter else min(series))

    def _round_trip(self, running: Running, address: Address, least: float) -> float:
        """The median in seconds of as many as there is time for, on the first connection on which one takes
        ``least`` seconds. Raises OSError."""
        longest = self.delay + self.jitter
        fewest = _FEWEST if self.jitter else 1
        number = max(fewest, min(_MOST, round(_MEASURED_S / longest / _SERIES)))
        for _ in range(self.number):
            with line(running, self.link, address, longest + 10 * PATIENCE_S) as one:
                if one.ask(small(self.link)).seconds >= least:
                    return median(one.ask(small(self.link)).seconds for _ in range(number))
        raise ConnectionError("every connection is as fast as without the fault")
