"""The replays: which recorded blocks are relabelled, what is injected, and what the judge may say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from lab.model.run import Design, MeasureSpec, Verdict
from parts.replay import ALPHA, FAULTY, Shifts, Told, noise, relabelled
from parts.series import Series, read_series

SERIES = Path(__file__).resolve().parents[2] / "tests" / "series"
P50 = MeasureSpec(name="p50_ms", measure="latency.p50", unit="ms", scale="ratio")
P95 = replace(P50, name="p95_ms", measure="latency.p95")
FACTORS = (1.5, 2.0, 10.0)
UNHURRIED = Design(better_by=1.0, no_gain=1e-9)
"""Any gain counts, and no lack of one ends a run early: so every run takes all three looks at whether the
placebo is better, and the claim errs as often as it ever can."""

Truth = Literal["placebo", "edge", "full fix"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row: ``run`` judges the relabelling that a seed draws."""

    series: str
    what: str
    truth: Truth
    run: Callable[[int], Verdict]

    def told(self, seeds: range) -> Told:
        told = Told()
        for seed in seeds:
            told.add(self.run(seed))
        return told


def most(runs: int, share: float = ALPHA) -> int:
    """So many hits in so many runs are exceeded once in 1000 times where each hits with chance ``share``."""
    term = reached = (1 - share) ** runs
    hits = 0
    while reached < 0.999:
        hits += 1
        term *= (runs - hits + 1) / hits * share / (1 - share)
        reached += term
    return hits


def load() -> dict[str, Series]:
    """All recorded series by name."""
    return {path.stem: read_series(path) for path in sorted(SERIES.glob("*.json"))}


def cases(found: dict[str, Series]) -> tuple[Case, ...]:
    """Every row, in the order in which it is shown."""
    return (
        *(_swapped(series) for series in found.values()),
        *(_injected(found["stampede-quiet"], P50, factor) for factor in FACTORS),
        *(_injected(found["stampede-noisy"], P50, factor) for factor in FACTORS),
        _injected(found["stampede-noisy"], P95, 2.0),
        _injected(found["stampede-disturbed"], P50, 2.0),
        *(unhurried(found[name]) for name in ("stampede-quiet", "stampede-noisy")),
        _edge(found["stampede-noisy"]),
        *(_cured(found[name]) for name in ("stampede-quiet", "stampede-noisy", "missing-index-quiet")),
    )


def _swapped(series: Series) -> Case:
    what = "problem and placebo swap labels, as the scenario judges them"
    return Case(series=series.name, what=what, truth="placebo", run=partial(relabelled, series))


def _injected(series: Series, spec: MeasureSpec, factor: float) -> Case:
    both: Shifts = dict.fromkeys(FAULTY, factor)
    what = f"healthy {spec.name[:3]}, problem and placebo x {factor:g}"
    run = partial(noise, series.of("healthy"), spec, both)
    return Case(series=series.name, what=what, truth="placebo", run=run)


def unhurried(series: Series, design: Design = UNHURRIED) -> Case:
    """Equal blocks under a judge that takes any gain for better, at all three looks."""
    both: Shifts = dict.fromkeys(FAULTY, 2.0)
    run = partial(noise, series.of("healthy"), P50, both, design=design)
    what = "healthy p50, both x 2, any gain counts, all three looks"
    return Case(series=series.name, what=what, truth="placebo", run=run)


def _edge(series: Series) -> Case:
    run = partial(noise, series.of("healthy"), P50, {"problem": 5.0, "placebo": P50.tau})
    return Case(series=series.name, what="healthy p50, problem x 5, fixed x 1.25", truth="edge", run=run)


def _cured(series: Series) -> Case:
    run = partial(noise, series.of("healthy"), P50, {"problem": 2.0})
    return Case(series=series.name, what="healthy p50, problem x 2, fixed x 1", truth="full fix", run=run)
