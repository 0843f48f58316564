"""The plug-ins that a scenario may name, as data: kind -> class. Passed in, so that parsing stays pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from lab.model.scenario import Measure
from lab.model.stack import CounterProbe, Quantity


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
    def evidence(self) -> Mapping[str, type[Any]]:
        """Probes that capture text for people."""
        return {kind: probe for kind, probe in self.probes.items() if hasattr(probe, "capture")}

    @property
    def events(self) -> frozenset[str]:
        """What one injection is called, over all fault kinds that pass by themselves."""
        return frozenset(fault.event for fault in self.faults.values() if fault.event)

    def counter(self, measure: Measure) -> CounterProbe | None:
        """The counter probe that a measure reads; None for a measure of the requests themselves."""
        source = measure.measure.partition(".")[0]
        if source not in self.counters:
            return None
        probe = self.counters[source]
        labelled = any(own.name == "of" for own in fields(probe))  # else it counts for the whole server
        counter: CounterProbe = probe(of=measure.of) if labelled else probe()
        return counter

    def quantity(self, measure: str) -> Quantity | None:
        """The counted quantity behind ``probe.quantity``; None where no such counter exists."""
        probe, _, name = measure.partition(".")
        found: Quantity | None = None
        if probe in self.counters:
            found = self.counters[probe].quantities.get(name)
        return found
