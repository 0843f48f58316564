"""Is a block long enough for what is measured in it? In requests and seconds. Pure."""

from __future__ import annotations

from math import ceil

from lab.model.measures import SAMPLES
from lab.model.scenario import Load, Measure
from lab.scenario.parts import Parts
from lab.scenario.reading import Placed, Reading

SHORTEST_S = 0.5
FEWEST_REQUESTS = 40
FEWEST_BEYOND_QUANTILE = 5  # requests that lie above a quantile, so that it is more than one of them
FEWEST_FOR_P99 = 500
_ROUNDING = 1e-9


def check_block(reading: Reading, parts: Parts) -> None:
    """Note a block that is too short for its requests, its events, or the quantiles asked of it.

    How many requests users of closed load or the journeys of a locustfile make, nobody knows beforehand.
    """
    load = parts.load
    if load is None:
        return
    if load.block < SHORTEST_S:
        reading.problem(("load", "block"), f"a block lasts at least {SHORTEST_S * 1e3:.0f}ms")
    _events(reading, parts, load)
    if load.rate > 0 and load.locustfile is None:
        _requests(reading, load)
        for measure in parts.measures:
            _quantile(reading, parts, load, measure)


def _requests(reading: Reading, load: Load) -> None:
    requests = load.rate * load.block
    if requests < FEWEST_REQUESTS - _ROUNDING:
        reading.problem(
            ("load", "block"),
            f"{requests:.0f} requests in a block are too few: at {load.rate:g}/s, {FEWEST_REQUESTS} of them "
            f"take {_ms(FEWEST_REQUESTS / load.rate)}",
        )


def _events(reading: Reading, parts: Parts, load: Load) -> None:
    for fault in parts.faults:
        use = fault.value
        if use.when != "each-block":
            continue
        end = use.at + (use.event_window or 0.0)
        if load.block < end - _ROUNDING:
            message = f"{use.kind} is felt until {_ms(end)} of a block that ends before: make it longer"
            reading.problem(("load", "block"), message)
    for fix in parts.fixes:
        if fix.value.when == "each-block" and fix.value.at >= load.block:
            reading.problem((*fix.at, "at"), f"the block ends after {_ms(load.block)}, before it")


def _quantile(reading: Reading, parts: Parts, load: Load, placed: Placed[Measure]) -> None:
    measure = placed.value
    quantity = SAMPLES.get(measure.measure)
    if quantity is None or quantity.quantile is None:
        return
    requests = load.rate * load.block * _share_of(parts, measure.of)
    needed = ceil(FEWEST_BEYOND_QUANTILE / (1 - quantity.quantile) - _ROUNDING)
    if quantity.quantile >= 0.99:
        needed = max(needed, FEWEST_FOR_P99)
    if requests < needed - _ROUNDING:
        advice = "measure latency.share_over a bound" if quantity.quantile > 0.5 else "make the block longer"
        reading.problem(
            (*placed.at, "measure"),
            f"{requests:.0f} requests a block for {measure.measure} mean little (wanted: {needed}): {advice}",
        )


def _share_of(parts: Parts, name: str | None) -> float:
    """The share of the requests that are those of one name, by weight."""
    total = sum(one.value.weight for one in parts.requests if one.value.weight > 0)
    own = sum(one.value.weight for one in parts.requests if name in (None, one.value.name))
    return own / total if total > 0 else 1.0


def _ms(seconds: float) -> str:
    return f"{ceil(seconds * 1e3 - 1e-6)}ms"
