"""Counters of the servers, read before and after a block: the measure is the difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.model.kinds import Kinds
from lab.model.scenario import Measure
from lab.model.stack import CounterProbe, Running

Totals = Mapping[str, Mapping[str, float]]  # measure -> quantity -> since the server started


@dataclass(frozen=True)
class Counters:
    """``probes`` maps a measure's name to its counter probe."""

    probes: Mapping[str, CounterProbe]

    def read(self, running: Running) -> Totals:
        return {name: probe.read(running) for name, probe in self.probes.items()}

    def since(self, before: Totals, running: Running) -> dict[str, dict[str, float]]:
        """What was counted since ``before``, by measure and quantity.

        Nothing for a counter that went back: its server was started anew and what it had counted is lost.
        """
        return {name: _grown(before[name], values) for name, values in self.read(running).items()}


def _grown(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    grown = {key: value - before.get(key, 0.0) for key, value in after.items()}
    return {} if any(difference < 0 for difference in grown.values()) else grown


def counter_probes(measures: Sequence[Measure], kinds: Kinds) -> dict[str, CounterProbe]:
    """One counter probe for each measure that does not come from the requests themselves."""
    probes = ((measure.name, kinds.counter(measure)) for measure in measures)
    return {name: probe for name, probe in probes if probe is not None}
