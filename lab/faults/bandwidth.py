"""The way between the app and a server is narrow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic.dataclasses import dataclass

from lab.faults._toxic import FORM, PATIENCE_S, Server, Toxic, measured, whole
from lab.faults._wire import Address, Answer, carrying, fetching, line
from lab.model.dose import Dose
from lab.model.stack import Running
from lab.model.units import Bytes

_SLACK = 0.05
_MOST = 16_000_000


@dataclass(frozen=True, config=FORM, kw_only=True)
class Bandwidth(Toxic):
    """Let no more than ``rate`` pass on each connection to a service; 100KB is 100,000 bytes a second."""

    link: Server
    rate: Bytes

    toxic: ClassVar[str] = "bandwidth"

    def __post_init__(self) -> None:
        self.attributes  # noqa: B018 - says what is wrong with it

    @property
    def attributes(self) -> Mapping[str, int]:
        return {"rate": whole(self.rate / 1e3, "rate in KB", least=1)}

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """At what rate data passes that takes a second (of the fastest less), without the time it takes past the
        link."""
        return (
            Dose(
                what="data that passes",
                unit="KB/s",
                asked=self.rate / 1e3,
                delivered=measured(lambda: self._passed(running)),
                slack=_SLACK * self.rate / 1e3,
            ),
        )

    def _passed(self, running: Running) -> float:
        point = running.link(self.link)
        size, there = self._transfer(running, point.listen)
        _, direct = self._transfer(running, point.direct)
        return size / 1e3 / max(1e-9, there.seconds - direct.seconds)

    def _transfer(self, running: Running, address: Address) -> tuple[int, Answer]:
        size = min(_MOST, round(self.rate))
        with line(running, self.link, address, 2 + 10 * PATIENCE_S) as one:
            if self.stream == "downstream":
                answer = one.ask(fetching(self.link, size))
                return sum(answer.pieces), answer
            question = carrying(self.link, size)
            return len(question.sent), one.ask(question)
