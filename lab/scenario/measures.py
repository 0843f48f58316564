"""What a measure may say, by where its numbers come from. Pure."""

from __future__ import annotations

from typing import Any

from lab.model.kinds import Kinds
from lab.model.measures import PER_REQUEST, SAMPLES, Written, measure_spec, written
from lab.model.scenario import Measure
from lab.scenario.observed import check_observed
from lab.scenario.parts import Parts
from lab.scenario.problems import unknown
from lab.scenario.reading import Placed, Reading, keys_of


def check_measures(reading: Reading, kinds: Kinds, parts: Parts) -> None:
    """Note what no measure of its kind can have, or has to have."""
    requests: list[str] | None = [one.value.name for one in parts.requests]
    if reading.has(("load", "locustfile")):
        requests = None  # what its code asks shows only when it runs
    for placed in parts.measures:
        if placed.value.measure in SAMPLES:
            _of_requests(reading, placed, requests)
        elif placed.value.measure.partition(".")[0] in kinds.gauges:
            _of_a_gauge(reading, kinds, parts, placed)
        else:
            _of_a_counter(reading, kinds, parts, placed)
        check_observed(reading, parts, placed)
        _tolerances(reading, kinds, placed)


def _of_requests(reading: Reading, placed: Placed[Measure], requests: list[str] | None) -> None:
    at, measure = placed.at, placed.value
    quantity = SAMPLES[measure.measure]
    if requests is not None and measure.of is not None and measure.of not in requests:
        reading.problem((*at, "of"), unknown("request", measure.of, requests))
    if measure.per is not None:
        reading.problem((*at, "per"), f"{measure.measure} is of the requests themselves: leave out", key=True)
    if quantity.over == "must" and measure.over is None:
        reading.problem(at, f"missing key 'over': {measure.measure} needs a bound such as over: 100ms")
    if quantity.over == "no" and measure.over is not None:
        reading.problem((*at, "over"), f"{measure.measure} has no bound: leave out", key=True)
    if quantity.from_fault and not any(one.get("when") == "each-block" for one in _faults(reading)):
        message = f"{measure.measure} counts from a fault in each block: none here has when: each-block"
        reading.problem((*at, "measure"), message)


def _of_a_counter(reading: Reading, kinds: Kinds, parts: Parts, placed: Placed[Measure]) -> None:
    at, measure = placed.at, placed.value
    source = measure.measure.partition(".")[0]
    probe = kinds.counters[source]
    if "of" in keys_of(probe):
        _label(reading, kinds, parts, placed)
    elif measure.of is not None:
        reading.problem((*at, "of"), f"{source} counts for the whole server: leave out", key=True)
    if measure.over is not None:
        reading.problem((*at, "over"), f"{measure.measure} has no bound: leave out", key=True)
    events = [PER_REQUEST, *_events(reading, kinds)]
    if measure.per is not None and measure.per not in events:
        reading.problem((*at, "per"), unknown("event", measure.per, events))


def _of_a_gauge(reading: Reading, kinds: Kinds, parts: Parts, placed: Placed[Measure]) -> None:
    """``of`` is a service of the stack, where the probe can look at one."""
    at, measure = placed.at, placed.value
    source = measure.measure.partition(".")[0]
    services = parts.stack.names if parts.stack is not None else ("app",)
    if measure.of is not None and "of" not in keys_of(kinds.gauges[source]):
        reading.problem((*at, "of"), f"{source} counts for the whole server: leave out", key=True)
    elif measure.of is not None and measure.of not in services:
        reading.problem((*at, "of"), unknown("service", measure.of, services))
    if measure.over is not None:
        reading.problem((*at, "over"), f"{measure.measure} has no bound: leave out", key=True)
    if measure.per is not None:
        reading.problem((*at, "per"), f"{measure.measure} is of the whole block: leave out", key=True)


def _label(reading: Reading, kinds: Kinds, parts: Parts, placed: Placed[Measure]) -> None:
    at, label = placed.at, placed.value.of
    app = parts.stack.app if parts.stack is not None else ""
    known = kinds.labels.get(app, frozenset())
    if known and label is not None and label not in known:
        reading.problem((*at, "of"), unknown("label of a statement", label, known))


def _events(reading: Reading, kinds: Kinds) -> list[str]:
    """Events of the faults that this file names."""
    named = [one.get("kind") for one in _faults(reading)]
    found = (kinds.faults[kind].event for kind in named if isinstance(kind, str) and kind in kinds.faults)
    return [event for event in found if event]


def _faults(reading: Reading) -> list[dict[str, Any]]:
    """The faults as they are written, also those with mistakes."""
    faults: Any = reading.tree.at(("faults",))
    return [one for one in faults if isinstance(one, dict)] if isinstance(faults, list) else []


def _tolerances(reading: Reading, kinds: Kinds, placed: Placed[Measure]) -> None:
    at, measure = placed.at, placed.value
    spec = measure_spec(measure, kinds, "primary")
    if spec.scale == "ratio" and measure.tolerance is not None:
        message = f"{measure.measure} is compared as a ratio: write tau instead"
        reading.problem((*at, "tolerance"), message, key=True)
    if spec.scale == "difference" and reading.has((*at, "tau")):
        message = f"{measure.measure} can be zero and is compared as a difference: write tolerance instead"
        reading.problem((*at, "tau"), message, key=True)
    if measure.tau < 1:
        reading.problem((*at, "tau"), "tau is the tolerated ratio to healthy: 1 or more")
    if not reading.has((*at, "limit")):
        _unlimited(reading, placed, spec.scale, written(measure.measure, kinds))
    if measure.limit is not None and measure.limit < 0:
        reading.problem((*at, "limit"), "a limit is 0 or more")


def _unlimited(reading: Reading, placed: Placed[Measure], scale: str, unit: Written | None) -> None:
    """A measure without a limit is compared with healthy blocks: can it be, and how near is near?"""
    at, name = placed.at, placed.value.measure
    if name in SAMPLES and SAMPLES[name].from_fault:
        reading.problem(at, f"missing key 'limit': {name} has no value in healthy blocks to compare with")
    elif scale == "difference" and unit != "share" and not reading.has((*at, "tolerance")):
        message = f"missing key 'limit' or 'tolerance': {name} is a {unit} that can be zero"
        reading.problem(at, message)
