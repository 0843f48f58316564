"""The plug-ins that a scenario may name, as data: kind -> class. Passed in, so that parsing stays pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from lab.model.scenario import Measure
from lab.model.stack import CounterProbe, GaugeProbe, Quantity


@dataclass(frozen=True, kw_only=True)
class Kinds:
    """Fault, fix and probe kinds by name.

    ``labels`` maps an app to the labels that its SQL statements carry (``/* ranking */``), as far as they
    are known; ``of:`` of a counter is checked against them.
    """

    faults: Mapping[str, type[Any]] = field(default_factory=dict)
    fixes: Mapping[str, type[Any]] = field(default_factory=dict)
    probes: Mapping[str, type[Any]] = field(default_factory=dict)
    labels: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def counters(self) -> Mapping[str, type[Any]]:
        """Probes that count: a measure ``probe.quantity`` reads one of these."""
        return {kind: probe for kind, probe in self.probes.items() if hasattr(probe, "quantities")}

    @property
    def gauges(self) -> Mapping[str, type[Any]]:
        """Probes that are sampled while a block lasts: ``probe.quantity`` is a statistic of the samples."""
        return {kind: probe for kind, probe in self.probes.items() if hasattr(probe, "gauges")}

    @property
    def evidence(self) -> Mapping[str, type[Any]]:
        """Probes that capture text for people."""
        return {kind: probe for kind, probe in self.probes.items() if hasattr(probe, "capture")}

    @property
    def events(self) -> frozenset[str]:
        """What one injection is called, over all fault kinds that pass by themselves."""
        return frozenset(fault.event for fault in self.faults.values() if fault.event)

    def counter(self, measure: Measure) -> CounterProbe | None:
        """The counter probe that a measure reads; None for a measure of anything else."""
        probe: CounterProbe | None = _made(self.counters, measure)
        return probe

    def gauge(self, measure: Measure) -> GaugeProbe | None:
        """The gauge probe that a measure reads; None for a measure of anything else."""
        probe: GaugeProbe | None = _made(self.gauges, measure)
        return probe

    def quantity(self, measure: str) -> Quantity | None:
        """What lies behind ``probe.quantity``, a ``Gauge`` where it is sampled; None where there is no such."""
        probe, _, name = measure.partition(".")
        found: Quantity | None = None
        if probe in self.counters:
            found = self.counters[probe].quantities.get(name)
        elif probe in self.gauges:
            found = self.gauges[probe].gauges.get(name)
        return found


def _made(probes: Mapping[str, type[Any]], measure: Measure) -> Any:
    probe = probes.get(measure.measure.partition(".")[0])
    if probe is None:
        return None
    chosen = measure.of is not None and any(own.name == "of" for own in fields(probe))
    return probe(of=measure.of) if chosen else probe()  # without, it reads the whole server
