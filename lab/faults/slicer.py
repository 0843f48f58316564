"""Data comes in small pieces with pauses between them."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import ClassVar

from pydantic.dataclasses import dataclass

from lab.faults._toxic import FORM, PATIENCE_S, Server, Toxic, whole
from lab.faults._wire import Address, Answer, carrying, fetching, line
from lab.model.dose import Dose
from lab.model.stack import Running
from lab.model.units import Bytes, Seconds

_MEASURED_S = 0.5
_LEAST, _MOST = 10, 100  # pieces
_SLACK, _SLACK_MS = 0.15, 20.0


@dataclass(frozen=True, config=FORM, kw_only=True)
class Slicer(Toxic):
    """Cut data on the link to a service into pieces of ``size``, plus or minus up to ``variation``, ``delay`` apart.

    Without a pause between them TCP would put the pieces together again.
    """

    link: Server
    size: Bytes
    variation: Bytes = 0.0
    delay: Seconds

    toxic: ClassVar[str] = "slicer"

    def __post_init__(self) -> None:
        if self.attributes["size_variation"] >= self.attributes["average_size"]:
            raise ValueError("variation is below the size: a piece has at least one byte")

    @property
    def attributes(self) -> Mapping[str, int]:
        return {
            "average_size": whole(self.size, "size in bytes", least=1),
            "size_variation": whole(self.variation, "variation in bytes"),
            "delay": whole(self.delay * 1e6, "delay in microseconds", least=1000),
        }

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """How long a transfer of many pieces takes, and how large those are that come downstream."""
        point = running.link(self.link)
        try:
            size, there = self._transfer(running, point.listen)
            _, direct = self._transfer(running, point.direct)
        except OSError:
            size, there, direct = 0, None, None
        asked = (size / self.size - 1) * self.delay * 1e3
        took = Dose(
            what=f"added to a transfer of {size} bytes",
            unit="ms",
            asked=max(0.0, asked),
            delivered=1e3 * (there.seconds - direct.seconds) if there and direct else None,
            slack=max(_SLACK_MS, _SLACK * asked),
        )
        if self.stream == "upstream" or there is None:
            return (took,)
        return took, Dose(
            what="pieces of an answer",
            unit="B",
            asked=self.size + self.variation,
            delivered=float(median(there.pieces)),
            counts="at-most",
        )

    def _transfer(self, running: Running, address: Address) -> tuple[int, Answer]:
        number = max(_LEAST, min(_MOST, round(_MEASURED_S / self.delay)))
        with line(running, self.link, address, 10 * PATIENCE_S + self.delay) as one:
            if self.stream == "downstream":
                answer = one.ask(fetching(self.link, number * round(self.size)))
                return sum(answer.pieces), answer
            question = carrying(self.link, number * round(self.size))
            return len(question.sent), one.ask(question)
