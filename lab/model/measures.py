"""What a scenario can measure: the quantities of requests, and how the judge reads any measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lab.model.kinds import Kinds
from lab.model.run import MeasureSpec
from lab.model.scenario import Measure, Scenario

Written = Literal["duration", "share", "count"]

SHARE_TOLERANCE = 0.01  # one percentage point
PER_REQUEST = "request"


@dataclass(frozen=True, kw_only=True)
class SampleQuantity:
    """One number computed from the requests of a block.

    ``unit`` is the unit of its values on disk; ``limit`` tells how a limit is written in a scenario.
    ``quantile`` is set where the number is a quantile of the latencies.
    """

    unit: str
    scale: Literal["ratio", "difference"]
    limit: Written
    doc: str
    quantile: float | None = None
    needs_over: bool = False


def _latency(doc: str, quantile: float | None = None) -> SampleQuantity:
    return SampleQuantity(unit="ms", scale="ratio", limit="duration", doc=doc, quantile=quantile)


def _share(doc: str, *, needs_over: bool = False) -> SampleQuantity:
    return SampleQuantity(unit="share", scale="difference", limit="share", doc=doc, needs_over=needs_over)


SAMPLES: Mapping[str, SampleQuantity] = {
    "latency.p50": _latency("Median time from the moment a request was due to its answer", 0.5),
    "latency.p95": _latency("95th percentile of the time from due to answered; wants 100 requests", 0.95),
    "latency.p99": _latency("99th percentile of the time from due to answered; wants 500 requests", 0.99),
    "latency.mean": _latency("Mean time from due to answered"),
    "latency.share_over": _share("Share of requests answered later than `over`, or never", needs_over=True),
    "errors.share": _share("Share of requests answered with status 400 or above, or never"),
}


def written(measure: str, kinds: Kinds) -> Written | None:
    """How limits of this measure are written (``100ms``, ``3%``, a bare count); None where it is unknown."""
    if measure in SAMPLES:
        return SAMPLES[measure].limit
    return None if kinds.quantity(measure) is None else "count"


def known_measures(kinds: Kinds) -> tuple[str, ...]:
    """Every measure that a scenario may name, those of the requests first."""
    counted = (f"{probe}.{name}" for probe, kind in kinds.counters.items() for name in kind.quantities)
    return (*SAMPLES, *counted)


def measure_spec(measure: Measure, kinds: Kinds, role: Literal["primary", "guardrail"]) -> MeasureSpec:
    """How the judge reads ``measure``. Block values and ``limit`` are both in ``unit``: ms, shares, counts.

    Raises KeyError for a measure that no parsed scenario can hold.
    """
    limit, tolerance = measure.limit, measure.tolerance
    sample, counted = SAMPLES.get(measure.measure), kinds.quantity(measure.measure)
    if sample is not None:
        unit, scale = sample.unit, sample.scale
        if sample.limit == "duration" and limit is not None:
            limit *= 1e3
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


def measure_specs(scenario: Scenario, kinds: Kinds) -> tuple[MeasureSpec, ...]:
    """All measures of a scenario as the judge reads them: symptoms are primary, guardrails only veto."""
    return (
        *(measure_spec(measure, kinds, "primary") for measure in scenario.symptoms),
        *(measure_spec(measure, kinds, "guardrail") for measure in scenario.guardrails),
    )
