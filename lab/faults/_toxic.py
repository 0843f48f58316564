"""What the faults on a link have in common: one toxic of Toxiproxy's, put on and taken off through its API.

A toxic holds for new and for open connections. What it does is measured from outside, by connections through
the link and past it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil, sqrt
from statistics import median
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, WithJsonSchema
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.faults._wire import Try, tries
from lab.link.client import LinkClient, LinkedProxy
from lab.model.dose import Dose
from lab.model.stack import LinkPoint, Running
from lab.model.units import Share

_LINKED = r"(app-[1-9]\d?|postgres|redis)"


def _linked(name: str) -> str:
    if not re.fullmatch(_LINKED, name):
        several = "where the app has several instances also 'app-1', 'app-2' and so on"
        raise ValueError(f"expected 'postgres' or 'redis', got {name!r}; {several}")
    return name


Linked = Annotated[
    str,
    AfterValidator(_linked),
    WithJsonSchema({"type": "string", "pattern": f"^{_LINKED}$", "examples": ["postgres", "redis", "app-2"]}),
]
Server = Literal["postgres", "redis"]  # those that answer with as many bytes as they are asked for
Stream = Literal["downstream", "upstream"]
FORM = ConfigDict(extra="forbid")
PATIENCE_S = 0.5  # for an answer that takes a millisecond, on a machine that is busy otherwise
_LONGEST_S = 2.0  # that a dose waits for the end of a connection
_LEAST = 0.05
_SOME, _SIGMAS = 16, 3.5
_EVERY = 5
_SLACK, _SLACK_MS = 0.05, 20.0
_SOMETHING = 0.9


@dataclass(frozen=True, config=FORM, kw_only=True)
class Toxic:
    """One toxic on the link before a service; ``downstream`` is what the service answers."""

    link: Linked
    stream: Stream = "downstream"

    needs: ClassVar[frozenset[str]] = frozenset({"link"})
    event: ClassVar[str | None] = None
    toxic: ClassVar[str]

    @property
    def target(self) -> str:
        """The link and the direction."""
        return f"link {self.link} {self.stream}"

    @property
    def covers(self) -> float:
        """The share of connections that it acts on."""
        return 1.0

    @property
    def attributes(self) -> Mapping[str, int]:
        """As Toxiproxy has them."""
        raise NotImplementedError

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"link", "proxy", "toxic"}``: what to remove, and where. Raises EnvironmentFailed without a link."""
        point, _ = found(running, self.link)
        return {"link": point.api, "proxy": point.proxy, "toxic": self._name}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Put it on, yield the toxic as the link shows it, take it off where it still is there."""
        point, proxy = found(running, self.link)
        client = LinkClient(point.api)
        if self._is_on(proxy):
            raise EnvironmentFailed(
                f"{self.toxic} is on already",
                where=self.target,
                why="a link carries one toxic of a kind in each direction",
                do="heal that one first",
            )
        try:
            yield client.add_toxic(
                point.proxy,
                self.toxic,
                self.attributes,
                stream=self.stream,
                toxicity=self.covers,
                name=self._name,
            )
        finally:
            if self._is_on(client.proxy(point.proxy)):
                client.remove_toxic(point.proxy, self._name)

    @property
    def _name(self) -> str:
        return f"{self.toxic}_{self.stream}"

    def _is_on(self, proxy: LinkedProxy) -> bool:
        return any(one["name"] == self._name for one in proxy.toxics)


@dataclass(frozen=True, config=FORM, kw_only=True)
class PartToxic(Toxic):
    """A toxic that may act on a share of the connections only, drawn for each when it is opened."""

    toxicity: Share = 1.0

    def __post_init__(self) -> None:
        if not _LEAST <= self.toxicity <= 1:
            raise ValueError(f"toxicity is from {_LEAST:.0%} to 100%: below that it could not be measured")

    @property
    def covers(self) -> float:
        return self.toxicity

    @property
    def number(self) -> int:
        """Of connections: enough to tell the share, within 3.5 standard errors, from none."""
        return _EVERY if self.toxicity == 1 else max(64, ceil(_SOME / self.toxicity))

    def tried(self, running: Running, patience_s: float) -> list[Try]:
        """How ``number`` connections through the link fare."""
        return tries(self.link, running.link(self.link).listen, self.number, patience_s)

    def share(self, what: str, which: Sequence[bool]) -> Dose:
        """The share of connections, in percent, against ``toxicity``."""
        error = sqrt(self.toxicity * (1 - self.toxicity) / len(which))
        return Dose(
            what=what,
            unit="%",
            asked=100 * self.toxicity,
            delivered=100 * sum(which) / len(which),
            slack=100 * _SIGMAS * error,
        )

    def ended(self, running: Running, after: float) -> tuple[Dose, ...]:
        """What a toxic does that lets nothing through and ends connections ``after`` seconds, 0 excluded: the share
        that gets no answer, and where that is within 2 s when they end."""
        waits = 0 < after <= _LONGEST_S
        fared = self.tried(running, after + PATIENCE_S if waits else PATIENCE_S)
        share = self.share("connections without an answer", [one.ending != "answered" for one in fared])
        if not waits:
            return (share,)
        asked = after * 1e3
        return share, Dose(
            what="time to the end of a connection",
            unit="ms",
            asked=asked,
            delivered=middle_ms([one.seconds for one in fared if one.ending == "cut"]),
            slack=slack_of(asked, _SLACK, _SLACK_MS),
        )


def found(running: Running, service: Linked) -> tuple[LinkPoint, LinkedProxy]:
    """The link of an arm and its proxy as it is now. Raises EnvironmentFailed."""
    point = running.link(service)
    return point, LinkClient(point.api).proxy(point.proxy)


def measured(measure: Callable[[], float]) -> float | None:
    """None where the connection fails on which it is to be measured."""
    try:
        return measure()
    except OSError:
        return None


def slack_of(asked: float, share: float, least: float) -> float:
    """A share of what was asked and at least so much; never so wide that nothing at all would pass for it."""
    return min(_SOMETHING * asked, max(least, share * asked))


def middle_ms(seconds: Sequence[float]) -> float | None:
    """The median in ms, None of nothing."""
    return 1e3 * median(seconds) if seconds else None


def whole(value: float, what: str, least: int = 0) -> int:
    """The number as an int. ValueError, with its name and unit in ``what``, where it is none or below ``least``."""
    if abs(value - round(value)) > 1e-6 or round(value) < least:
        raise ValueError(f"{what} must be a whole number of at least {least}")
    return round(value)
