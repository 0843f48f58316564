"""Sampling of gauges while a block lasts, from a thread of its own: what goes up and down, and when."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil

from lab.errors import EnvironmentFailed
from lab.model.kinds import Kinds
from lab.model.load import BlockLoad
from lab.model.scenario import Measure
from lab.model.stack import Gauge, GaugeProbe, Running
from lab.runner.clock import Clock
from lab.runner.series_statistics import statistic

EVERY_S = 0.1  # between two samples at most
LAST_S = 5.0  # for the sample that is being taken when the block is over
FEWEST = 12  # planned in a block however short: a few may be late or fail

Taken = Mapping[GaugeProbe, Sequence[tuple[int, Mapping[str, float]]]]
"""What each probe gave, with the moment in CLOCK_MONOTONIC nanoseconds, in the order of time."""


def moments(start_ns: int, length_s: float) -> list[int]:
    """When samples are due: evenly over the block, its start and its end among them."""
    steps = max(FEWEST - 1, ceil(length_s / EVERY_S))
    return [start_ns + round(length_s * 1e9 * n / steps) for n in range(steps + 1)]


@dataclass(frozen=True)
class Gauges:
    """The gauges behind the measures of a scenario: its name -> the probe to ask, and what to make of it."""

    watched: Mapping[str, tuple[GaugeProbe, Gauge]] = field(default_factory=dict)

    @property
    def probes(self) -> Mapping[str, GaugeProbe]:
        return {name: probe for name, (probe, _) in self.watched.items()}

    @contextmanager
    def sampled(self, running: Running, start_ns: int, length_s: float, clock: Clock) -> Iterator[Taken]:
        """Sample one arm until the block is over; what is yielded is complete once the context has ended."""
        probes, over = frozenset(self.probes.values()), threading.Event()
        taken: dict[GaugeProbe, list[tuple[int, Mapping[str, float]]]] = {probe: [] for probe in probes}
        due = moments(start_ns, length_s)
        thread = threading.Thread(
            target=_sample, args=(probes, running, due, clock, over, taken), daemon=True
        )
        if probes:
            thread.start()
        try:
            yield taken
        except BaseException:
            over.set()
            raise
        finally:
            if probes:
                thread.join(LAST_S)
            over.set()

    def values(self, taken: Taken, load: BlockLoad) -> dict[str, float | None]:
        """Each measure over one block, in its gauge's unit; None where too little was sampled."""
        return {
            name: statistic(gauge.statistic, _series(taken[probe], gauge.reading), load.samples["done_ns"])
            for name, (probe, gauge) in self.watched.items()
        }


def gauges_of(measures: Sequence[Measure], kinds: Kinds) -> Gauges:
    """The gauges that these measures read; empty, and then nothing is ever sampled, where none does."""
    watched = {}
    for measure in measures:
        probe, gauge = kinds.gauge(measure), kinds.quantity(measure.measure)
        if probe is not None and isinstance(gauge, Gauge):
            watched[measure.name] = (probe, gauge)
    return Gauges(watched)


def _series(samples: Sequence[tuple[int, Mapping[str, float]]], reading: str) -> list[tuple[int, float]]:
    return [(t_ns, values[reading]) for t_ns, values in samples if reading in values]


def _sample(
    probes: Collection[GaugeProbe],
    running: Running,
    due: Sequence[int],
    clock: Clock,
    over: threading.Event,
    taken: Mapping[GaugeProbe, list[tuple[int, Mapping[str, float]]]],
) -> None:
    late_ns = due[1] - due[0]
    for moment in due:
        if over.wait(max(0.0, (moment - clock.now_ns()) / 1e9)):
            return
        if clock.now_ns() > moment + late_ns and moment != due[-1]:
            continue  # a slow answer takes the place of the samples that were due meanwhile
        for probe in probes:
            t_ns = clock.now_ns()
            try:
                taken[probe].append((t_ns, probe.sample(running)))
            except EnvironmentFailed:
                continue  # a service that is down is what some faults are about: no sample then
