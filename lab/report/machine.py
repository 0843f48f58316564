"""A run as one JSON object, with its published schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from lab.model.report import Curve, FaultDose, Generator, Machine, Report
from lab.model.run import Block, MeasureSpec, Verdict
from lab.report.costs import costs
from lab.report.doses import fault_doses
from lab.verdict.calm import CalmCost

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class Latency:
    """Latencies of an arm, pooled over its undisturbed blocks, from the moment each request was due."""

    requests: int
    failed: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class RunReport:
    """One run. Values of measures are in the ``unit`` that stands beside them: ms, share (0 to 1), or counts.

    ``verdicts`` holds the placebo under the fix ``placebo``; each explains itself in five sentences.
    ``report`` is the path of the HTML report. ``void`` says why no verdict was possible, where none was.
    ``recovery_s`` tells, by arm, how long answers went on failing after the standing fault was healed under
    load; empty where the scenario does not ask. ``generator`` is what the load generator could do there; None
    where the run ended before that was known. ``faults`` says what each was asked to do and what it did, as
    measured while it was on. ``calm`` is what each fix costs where nothing is wrong, in a run that asked for it.
    """

    schema: str
    run: str
    report: str
    scenario: str
    title: str
    stack: str
    seed: int
    started: str
    load_s: float
    wall_s: float
    exit: int
    warnings: tuple[str, ...]
    void: str | None
    problem_reproduced: bool
    again: str
    verdicts: tuple[Verdict, ...]
    measures: tuple[MeasureSpec, ...]
    latency: Mapping[str, Latency]
    recovery_s: Mapping[str, float]
    blocks: tuple[Block, ...]
    versions: Mapping[str, str]
    machine: Machine
    generator: Generator | None = None
    faults: tuple[FaultDose, ...] = ()
    calm: tuple[CalmCost, ...] = ()


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class SeveralRuns:
    """Several scenarios of one command; ``exit`` is the worst of theirs."""

    schema: str
    runs: tuple[RunReport, ...]
    exit: int


@cache
def _adapter() -> TypeAdapter[RunReport]:
    return TypeAdapter(RunReport)


def as_json(report: Report) -> dict[str, Any]:
    """The object ``lab.report/1``; values that are not finite become null."""
    info, judgement = report.info, report.judgement
    found = RunReport(
        schema="lab.report/1",
        run=info.run,
        report=f"{report.folder}/report.html",
        scenario=report.plan.scenario,
        title=report.scenario.prose.title,
        stack=info.stack,
        seed=info.seed,
        started=info.started,
        load_s=info.load_s,
        wall_s=info.wall_s,
        exit=info.exit,
        warnings=report.warnings,
        void=judgement.void,
        problem_reproduced=judgement.problem_reproduced,
        again=info.again,
        verdicts=judgement.verdicts,
        measures=report.plan.measures,
        latency={arm: _latency(curve) for arm, curve in report.curves.items()},
        recovery_s={e.arm: float(e.data["seconds"]) for e in report.events if e.kind == "recovered"},
        blocks=report.blocks,
        versions=info.versions,
        machine=info.machine,
        generator=info.generator,
        faults=fault_doses(report.events),
        calm=costs(report),
    )
    plain: dict[str, Any] = json.loads(_adapter().dump_json(found))
    return plain


def _latency(curve: Curve) -> Latency:
    return Latency(
        requests=curve.requests,
        failed=curve.failed,
        p50_ms=round(curve.p50_ms, 3),
        p95_ms=round(curve.p95_ms, 3),
        p99_ms=round(curve.p99_ms, 3),
        max_ms=round(curve.max_ms, 3),
    )


def several(reports: Sequence[Report], code: int) -> dict[str, Any]:
    """The object ``lab.reports/1``: the runs of one command in their order, and its exit code."""
    return {"schema": "lab.reports/1", "runs": [as_json(report) for report in reports], "exit": code}


def report_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of what ``--json`` prints: one run, or several."""
    schema = TypeAdapter(RunReport | SeveralRuns).json_schema(
        mode="serialization", ref_template="#/$defs/{model}"
    )
    for name, version in (("RunReport", "lab.report/1"), ("SeveralRuns", "lab.reports/1")):
        schema["$defs"][name]["properties"]["schema"] = {"const": version}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What lab run --json prints",
        **schema,
    }
