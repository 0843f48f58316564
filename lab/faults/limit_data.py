"""Connections to a server are closed after so many bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic.dataclasses import dataclass

from lab.faults._toxic import FORM, PATIENCE_S, Server, Toxic, measured, whole
from lab.faults._wire import Cut, carrying, fetching, line
from lab.model.dose import Dose
from lab.model.stack import Running
from lab.model.units import Bytes

_LEAST, _MOST = 2_000, 64_000_000
_STEPS = 20


@dataclass(frozen=True, config=FORM, kw_only=True)
class LimitData(Toxic):
    """Close a connection to a service after it has carried so many ``bytes`` in one direction, 2KB to 64MB."""

    link: Server
    bytes: Bytes

    toxic: ClassVar[str] = "limit_data"

    def __post_init__(self) -> None:
        if not _LEAST <= self.attributes["bytes"] <= _MOST:
            raise ValueError("bytes are from 2KB, with which a client can log in, to 64MB")

    @property
    def attributes(self) -> Mapping[str, int]:
        return {"bytes": whole(self.bytes, "bytes")}

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """How many bytes a new connection carries until it is closed."""
        down = self.stream == "downstream"
        # Of what is on its way up at the end one sees no more than that no answer comes to it.
        slack = _LEAST / 2 if down else _LEAST / 2 + self.bytes / _STEPS
        return (
            Dose(
                what="bytes until a connection is closed",
                unit="B",
                asked=self.bytes,
                delivered=measured(lambda: self._fetched(running) if down else self._carried(running)),
                slack=slack,
            ),
        )

    def _fetched(self, running: Running) -> float:
        """Of an answer that is larger; what a login takes before it is within the slack."""
        with line(running, self.link, running.link(self.link).listen, 10 * PATIENCE_S) as one:
            return one.read_to_the_end(fetching(self.link, round(self.bytes) + 2 * _LEAST))

    def _carried(self, running: Running) -> float:
        """Of questions, one after another, while they are answered."""
        question = carrying(self.link, max(1, round(self.bytes / _STEPS) - 100))
        carried = 0
        with line(running, self.link, running.link(self.link).listen, 10 * PATIENCE_S) as one:
            try:
                while carried < 2 * self.bytes:
                    one.ask(question)
                    carried += len(question.sent)
            except (Cut, ConnectionResetError, BrokenPipeError):
                return carried
        return carried
