"""What a scenario can measure: the quantities of requests, and how the judge reads any measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lab.model.kinds import Kinds
from lab.model.run import MeasureSpec
from lab.model.scenario import Measure, Scenario
from lab.model.stack import Quantity

Written = Literal["duration", "share", "size", "count"]

SHARE_TOLERANCE = 0.01  # one percentage point
PER_REQUEST = "request"


@dataclass(frozen=True, kw_only=True)
class SampleQuantity:
    """One number computed from the requests of a block; how, is in the module that reads blocks.

    ``unit`` is the unit of its values on disk; ``limit`` tells how limits and tolerances are written in a
    scenario. ``quantile`` is set where the number is a quantile of the latencies, ``over`` where a bound on
    them is needed or may be given. ``from_fault``: it counts from the moment of a fault, so it is absent
    from blocks without one and nothing but a limit can judge it. ``observes`` is what requests have to
    observe of their answers for it.
    """

    unit: str
    scale: Literal["ratio", "difference"]
    limit: Written
    doc: str
    quantile: float | None = None
    over: Literal["no", "may", "must"] = "no"
    from_fault: bool = False
    observes: Literal["nothing", "version", "backend"] = "nothing"


def _latency(doc: str, quantile: float | None = None) -> SampleQuantity:
    return SampleQuantity(unit="ms", scale="ratio", limit="duration", doc=doc, quantile=quantile)


SAMPLES: Mapping[str, SampleQuantity] = {
    "latency.p50": _latency("Median time from the moment a request was due to its answer", 0.5),
    "latency.p95": _latency("95th percentile of the time from due to answered; wants 100 requests", 0.95),
    "latency.p99": _latency("99th percentile of the time from due to answered; wants 500 requests", 0.99),
    "latency.mean": _latency("Mean time from due to answered"),
    "latency.share_over": SampleQuantity(
        unit="share",
        scale="difference",
        limit="share",
        over="must",
        doc="Share of requests answered later than `over`, or never",
    ),
    "errors.share": SampleQuantity(
        unit="share",
        scale="difference",
        limit="share",
        doc="Share of requests answered with status 400 or above, or never",
    ),
    "availability.downtime": SampleQuantity(
        unit="ms",
        scale="difference",
        limit="duration",
        doc="Time in which every request failed: from the due moment of each that failed to that of the next",
    ),
    "recovery.time": SampleQuantity(
        unit="ms",
        scale="difference",
        limit="duration",
        over="may",
        from_fault=True,
        doc="Time from the block's last fault until no request failed, or took longer than `over`, any more;"
        " at least the rest of a block that ends before",
    ),
    "throughput.lost": SampleQuantity(
        unit="share",
        scale="difference",
        limit="share",
        doc="Share of the requests due in the block without a good answer 100 ms after its end",
    ),
    "bytes.per_response": SampleQuantity(
        unit="bytes", scale="ratio", limit="size", doc="Mean size of the bodies of good answers"
    ),
    "staleness.share": SampleQuantity(
        unit="share",
        scale="difference",
        limit="share",
        observes="version",
        doc="Share of reads that were sent after a newer version had been acknowledged",
    ),
    "staleness.age": SampleQuantity(
        unit="ms",
        scale="difference",
        limit="duration",
        observes="version",
        doc="Mean over all reads of the time from the oldest acknowledged version that a read does not show to"
        " its sending; 0 for a fresh one",
    ),
    "balance.cv": SampleQuantity(
        unit="cv",
        scale="difference",
        limit="count",
        observes="backend",
        doc="Coefficient of variation (standard deviation by mean) of the answers of each of `among` instances",
    ),
}


def written(measure: str, kinds: Kinds) -> Written | None:
    """How limits of this measure are written (``100ms``, ``3%``, ``50KB``, a bare count); None: unknown."""
    if measure in SAMPLES:
        return SAMPLES[measure].limit
    return None if kinds.quantity(measure) is None else "count"


def described(kinds: Kinds) -> dict[str, str]:
    """What every measure is that a scenario may name, by name; those of the requests first."""
    read: dict[str, Mapping[str, Quantity]] = {
        probe: kind.quantities for probe, kind in kinds.counters.items()
    }
    read |= {probe: kind.gauges for probe, kind in kinds.gauges.items()}
    probed = {f"{probe}.{name}": one.doc for probe, known in read.items() for name, one in known.items()}
    return {name: quantity.doc for name, quantity in SAMPLES.items()} | probed


def known_measures(kinds: Kinds) -> tuple[str, ...]:
    """The names of all measures, those of the requests first."""
    return tuple(described(kinds))


def measure_spec(measure: Measure, kinds: Kinds, role: Literal["primary", "guardrail"]) -> MeasureSpec:
    """How the judge reads ``measure``: ``limit`` and ``tolerance`` are in ``unit``, as its block values are.

    Raises KeyError for a measure that no parsed scenario can hold.
    """
    limit, tolerance = measure.limit, measure.tolerance
    sample, counted = SAMPLES.get(measure.measure), kinds.quantity(measure.measure)
    if sample is not None:
        unit, scale = sample.unit, sample.scale
        if sample.limit == "duration":
            limit, tolerance = _milliseconds(limit), _milliseconds(tolerance)
    elif counted is not None:
        unit, scale = counted.unit, counted.scale
    else:
        raise KeyError(measure.measure)
    return MeasureSpec(
        name=measure.name,
        measure=measure.measure,
        unit=unit,
        scale=scale,
        role=role,
        cause=measure.cause,
        limit=limit,
        tau=measure.tau,
        tolerance=SHARE_TOLERANCE if tolerance is None else tolerance,
    )


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3


def measure_specs(scenario: Scenario, kinds: Kinds) -> tuple[MeasureSpec, ...]:
    """All measures of a scenario as the judge reads them: symptoms are primary, guardrails only veto."""
    return (
        *(measure_spec(measure, kinds, "primary") for measure in scenario.symptoms),
        *(measure_spec(measure, kinds, "guardrail") for measure in scenario.guardrails),
    )
