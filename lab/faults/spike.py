"""A rush: for a while many times as many requests come in, as after a push message or a newsletter."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import LabError
from lab.faults._load import AskedOtherwise
from lab.model.dose import Dose
from lab.model.scenario import Stage, mean_rate
from lab.model.units import Seconds

if TYPE_CHECKING:
    from lab.model.load import BlockLoad, BlockOrder

_SLACK = 4.0  # standard deviations of a count of Poisson arrivals


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Spike(AskedOtherwise):
    """Ask ``factor`` times as much for ``length``, from ``start`` of each block on."""

    factor: float
    length: Seconds
    start: Seconds = 0.0

    def __post_init__(self) -> None:
        if not 1 < self.factor < math.inf:
            raise ValueError("a spike has a factor above 1")
        if not self.length > 0:
            raise ValueError("a spike lasts longer than 0s")

    @property
    def target(self) -> str:
        return "load"

    def shape(self, order: BlockOrder) -> BlockOrder:
        """The order with its stages steeper in between. LabError for closed load, and where the block is over
        before the spike begins."""
        if order.users:
            raise LabError(
                "closed load has no rate that could rise",
                why=f"it is {order.users} users who each wait for their answer",
                do="write load.rate instead of load.users, or leave the spike out",
            )
        if order.length_s <= self.start:
            raise LabError(
                f"a spike that starts at {self.start:g} s is not in a block of {order.length_s:g} s",
                do="let it start earlier, or make load.block longer",
            )
        return replace(order, stages=tuple(self._stages(order.stages)))

    def _stages(self, stages: tuple[Stage, ...]) -> Iterator[Stage]:
        began = 0.0
        for stage in stages:
            ends = began + stage.length
            cuts = [began, *(c for c in (self.start, self.start + self.length) if began < c < ends), ends]
            for at, to in pairwise(cuts):
                inside = self.start <= at < self.start + self.length
                yield _stretch(stage, at - began, to - began, self.factor if inside else 1.0)
            began = ends

    def dose_of(self, order: BlockOrder, load: BlockLoad) -> tuple[Dose, ...]:
        """Requests that were due in the spike and were sent, each second of it, against what its stages ask."""
        ends = min(self.start + self.length, order.length_s)
        length = ends - self.start
        asked = mean_rate(list(_between(order.stages, self.start, ends)))
        due_s = (load.samples["due_ns"] - order.start_ns) / 1e9
        sent = (due_s >= self.start) & (due_s < ends) & (load.samples["sent_ns"] > 0)
        slack = (_SLACK * math.sqrt(asked * length) + 1) / length
        rate = float(sent.sum()) / length
        return (Dose(what="requests in the spike", unit="/s", asked=asked, delivered=rate, slack=slack),)


def _between(stages: tuple[Stage, ...], start: float, end: float) -> Iterator[Stage]:
    began = 0.0
    for stage in stages:
        at, to = max(start - began, 0.0), min(end - began, stage.length)
        if to > at:
            yield _stretch(stage, at, to, 1.0)
        began += stage.length


def _stretch(stage: Stage, at: float, to: float, factor: float) -> Stage:
    """A part of a stage, in seconds from its start, at so many times its rate."""
    if stage.to is None:
        return Stage(rate=stage.rate * factor, length=to - at)
    slope = (stage.to - stage.rate) / stage.length
    first, last = stage.rate + slope * at, stage.rate + slope * to
    return Stage(rate=max(0.0, first) * factor, to=max(0.0, last) * factor, length=to - at)
