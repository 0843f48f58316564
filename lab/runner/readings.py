"""From the samples and counters of one block to its values. Pure.

Latency counts from the intended start (``due``), so a stalled app cannot hide the requests that it
kept from being sent. A request without an answer counts with the time-out as its latency.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from lab.model.measures import SAMPLES
from lab.model.scenario import Measure, Request
from lab.runner.answers import imbalance, stale_age_ms, stale_share

if TYPE_CHECKING:
    from lab.model.load import BlockLoad, Samples

GRACE_NS = 100_000_000  # what was due just before the end of a block may still be answered for so long


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Everything that one block yielded: its samples, counter differences by probe, gauges, and fault events.

    ``moments`` are those at which faults of the block began, in order: just before each was injected, or the
    planned moments of those that were kept away from the arm. Moments and ``end_ns`` of the block are
    absolute nanoseconds, as those of the samples are. ``requests`` say what was observed of the answers.
    """

    load: BlockLoad
    counters: Mapping[str, Mapping[str, float]]  # measure name -> quantity -> difference over the block
    events: Mapping[str, int]  # event name -> times it happened in the block
    end_ns: int
    moments: tuple[int, ...] = ()
    requests: tuple[Request, ...] = ()
    gauges: Mapping[str, float | None] = field(default_factory=dict)  # measure name -> its statistic


Quantity: TypeAlias = Callable[["Samples", Measure, Reading], float | None]
"""A function of the requests that a measure is of (at least one, in order of their due moments)."""


def value_of(measure: Measure, reading: Reading) -> float | None:
    """The value of a measure in its own unit (ms, share, bytes, count), None where it is absent."""
    quantity = QUANTITIES.get(measure.measure)
    if quantity is not None:
        samples = _asked(measure, reading.load)
        return quantity(samples, measure, reading) if len(samples) else None
    if measure.name in reading.gauges:
        return reading.gauges[measure.name]
    difference = reading.counters.get(measure.name, {}).get(measure.measure.partition(".")[2])
    if difference is None or measure.per is None:
        return difference
    times = _requests(reading.load) if measure.per == "request" else reading.events.get(measure.per, 0)
    return difference / times if times else None


def _asked(measure: Measure, load: BlockLoad) -> Samples:
    if measure.of is None:
        return load.samples
    named = load.names.index(measure.of) if measure.of in load.names else -1
    own: Samples = load.samples[load.samples["name"] == named]
    return own


def _requests(load: BlockLoad) -> int:
    return len(load.samples)


def latencies_ms(samples: Samples) -> npt.NDArray[np.float64]:
    """Response times from the intended start, in milliseconds."""
    return np.asarray((samples["done_ns"] - samples["due_ns"]) / 1e6)


def _percentile(of: float) -> Quantity:
    return lambda samples, _measure, _reading: float(np.percentile(latencies_ms(samples), of * 100))


def _mean(samples: Samples, _measure: Measure, _reading: Reading) -> float:
    return float(np.mean(latencies_ms(samples)))


def _share_over(samples: Samples, measure: Measure, _reading: Reading) -> float:
    return float(np.mean(latencies_ms(samples) > (measure.over or 0.0) * 1e3))


def _failed_share(samples: Samples, _measure: Measure, _reading: Reading) -> float:
    return float(np.mean(samples["error"] > 0))


def _downtime(samples: Samples, _measure: Measure, reading: Reading) -> float:
    """From the first failure of each unbroken row to the next good request, or the end of the block.

    Each failure counts for the time until the next request, so the rows need not be looked for.
    """
    failed = samples["error"] > 0
    return float(_until_next(samples, reading)[failed].sum() / 1e6)


def _until_next(samples: Samples, reading: Reading) -> npt.NDArray[np.int64]:
    due = np.minimum(samples["due_ns"], reading.end_ns)
    return np.asarray(np.diff(due, append=reading.end_ns), dtype=np.int64)


def _recovery_time(samples: Samples, measure: Measure, reading: Reading) -> float | None:
    """From the block's last fault until the first request from which on all were good.

    It counts from when the service broke, whenever the fault was healed. A block that ends unrecovered
    counts up to its end: a lower bound, but never less than what was seen.
    """
    if not reading.moments:
        return None
    bad = samples["error"] > 0
    if measure.over is not None:
        bad |= latencies_ms(samples) > measure.over * 1e3
    broke = reading.moments[-1]
    (found,) = np.nonzero(bad & (samples["due_ns"] >= broke))
    if len(found) == 0:
        return 0.0
    due = np.append(samples["due_ns"], reading.end_ns)
    return float(max(min(due[found[-1] + 1], reading.end_ns) - broke, 0) / 1e6)


def _lost_share(samples: Samples, _measure: Measure, reading: Reading) -> float | None:
    """What is missing from the offered load: failed, unanswered, or answered too late to count.

    The grace after the end does not depend on any data, so it is the same for every arm.
    """
    due = samples[samples["due_ns"] < reading.end_ns]
    lost = (due["error"] > 0) | (due["done_ns"] > reading.end_ns + GRACE_NS)
    return float(np.mean(lost)) if len(due) else None


def _body_bytes(samples: Samples, _measure: Measure, _reading: Reading) -> float | None:
    """Of good answers alone: an error page is small, and no remedy for answers that are large."""
    sizes = samples["bytes"][samples["error"] == 0]
    return float(np.mean(sizes)) if len(sizes) else None


def _stale_share(_samples: Samples, measure: Measure, reading: Reading) -> float | None:
    return stale_share(reading.load.samples, reading.load.names, reading.requests, measure.of)


def _stale_age(_samples: Samples, measure: Measure, reading: Reading) -> float | None:
    return stale_age_ms(reading.load.samples, reading.load.names, reading.requests, measure.of)


def _imbalance(samples: Samples, measure: Measure, reading: Reading) -> float | None:
    return imbalance(samples, reading.load.backends, measure.among or 1)


QUANTITIES: Mapping[str, Quantity] = {
    **{name: _percentile(one.quantile) for name, one in SAMPLES.items() if one.quantile is not None},
    "latency.mean": _mean,
    "latency.share_over": _share_over,
    "errors.share": _failed_share,
    "availability.downtime": _downtime,
    "recovery.time": _recovery_time,
    "throughput.lost": _lost_share,
    "bytes.per_response": _body_bytes,
    "staleness.share": _stale_share,
    "staleness.age": _stale_age,
    "balance.cv": _imbalance,
}


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
