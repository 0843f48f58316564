"""From the samples and counters of one block to its values. Pure.

Latency counts from the intended start (``due``), so a stalled app cannot hide the requests that it
kept from being sent. A request without an answer counts with the time-out as its latency.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lab.model.scenario import Measure

if TYPE_CHECKING:
    from lab.model.load import BlockLoad, Samples


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Everything that one block yielded: its samples, counter differences by probe, and fault events."""

    load: BlockLoad
    counters: Mapping[str, Mapping[str, float]]  # measure name -> quantity -> difference over the block
    events: Mapping[str, int]  # event name -> times it happened in the block


def value_of(measure: Measure, reading: Reading) -> float | None:
    """The value of a measure in its own unit (ms, share, count), None where it is absent."""
    source, _, quantity = measure.measure.partition(".")
    if source in ("latency", "errors"):
        return _from_samples(measure, quantity, reading.load)
    difference = reading.counters.get(measure.name, {}).get(quantity)
    if difference is None or measure.per is None:
        return difference
    times = _requests(reading.load) if measure.per == "request" else reading.events.get(measure.per, 0)
    return difference / times if times else None


def _requests(load: BlockLoad) -> int:
    return len(load.samples)


def latencies_ms(samples: Samples) -> npt.NDArray[np.float64]:
    """Response times from the intended start, in milliseconds."""
    return np.asarray((samples["done_ns"] - samples["due_ns"]) / 1e6)


def _from_samples(measure: Measure, quantity: str, load: BlockLoad) -> float | None:
    samples = load.samples
    if measure.of is not None and measure.of in load.names:
        samples = samples[samples["name"] == load.names.index(measure.of)]
    if len(samples) == 0:
        return None
    times = latencies_ms(samples)
    match quantity:
        case "share_over":
            late = times > (measure.over or 0.0) * 1e3
            return float(np.mean(late))
        case "share":
            return float(np.mean(samples["error"] > 0))
        case "mean":
            return float(np.mean(times))
        case _:
            return float(np.percentile(times, float(quantity.removeprefix("p"))))


def shown(load: BlockLoad) -> dict[str, float | None]:
    """Numbers for people; the judge does not read them."""
    if len(load.samples) == 0:
        return {}
    times = latencies_ms(load.samples)
    p50, p95, p99 = (float(v) for v in np.percentile(times, (50, 95, 99)))
    return {
        "p50_ms": round(p50, 3),
        "p95_ms": round(p95, 3),
        "p99_ms": round(p99, 3),
        "max_ms": round(float(times.max()), 3),
        "errors": float(np.mean(load.samples["error"] > 0)),
    }


def recovery_s(load: BlockLoad, healed_ns: int) -> float:
    """Seconds from the heal to the last failed answer after it; 0 where every later request succeeded."""
    failed = load.samples[(load.samples["error"] > 0) & (load.samples["done_ns"] > healed_ns)]
    return float((failed["done_ns"].max() - healed_ns) / 1e9) if len(failed) else 0.0
