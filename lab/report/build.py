"""From a run folder to a Report: the only part of the reports that reads files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lab.model.report import Event, Report, RunInfo, StoredFile
from lab.model.run import Block, Judgement, Plan
from lab.model.scenario import Scenario
from lab.model.stack import Evidence
from lab.report import series
from lab.verdict.calm import is_calm
from lab.verdict.explain import for_run

if TYPE_CHECKING:
    import numpy as np

_WHAT = {
    "plan.json": "everything that was decided before the first request",
    "scenario.yaml": "the scenario as it was",
    "blocks.jsonl": "one line for each block, with its values",
    "events.jsonl": "what happened when",
    "verdict.json": "what the judge says",
    "run.json": "versions, machine, duration",
    "samples": "one record for each request",
    "evidence": "what the diagnosis probes saw",
    "logs": "logs of the app and its servers",
}


class Folder(Protocol):
    """What a report needs of a run folder."""

    path: Path
    warnings: list[str]

    def read_plan(self) -> Plan: ...

    def read_run(self) -> RunInfo: ...

    def read_blocks(self) -> list[Block]: ...

    def read_events(self) -> list[Event]: ...

    def read_judgement(self) -> Judgement | None: ...

    def read_evidence(self) -> dict[str, Evidence]: ...

    def read_samples(self, block: int) -> np.ndarray[Any, Any] | None: ...


def build(folder: Folder, scenario: Scenario, code: Mapping[str, str] | None = None) -> Report:
    """Everything that a rendering of this run needs.

    ``code`` maps a fix to the unified diff of its code, or to its statement. A run that ended before its
    verdict gets one that says so. LabError where a file of the run is missing or damaged.
    """
    plan, info = folder.read_plan(), folder.read_run()
    blocks = tuple(folder.read_blocks())
    events = tuple(folder.read_events())
    judgement = for_run(folder.read_judgement() or _unjudged(plan), folder.path.name)
    samples = {block.n: found for block in blocks if (found := folder.read_samples(block.n)) is not None}
    clock = series.Clock.of(blocks)
    return Report(
        scenario=replace(scenario, faults=()) if is_calm(plan) else scenario,  # none of them ever struck
        plan=plan,
        info=info,
        judgement=judgement,
        blocks=blocks,
        folder=str(folder.path),
        evidence=folder.read_evidence(),
        code=dict(code or {}),
        events=events,
        faults=series.fault_spans(events, clock),
        timeline=series.timeline(blocks, samples, clock),
        profiles=series.profiles(blocks, samples),
        curves=series.curves(blocks, samples),
        files=_files(folder.path),
        warnings=tuple(dict.fromkeys((*info.warnings, *judgement.warnings, *folder.warnings))),
    )


def _unjudged(plan: Plan) -> Judgement:
    return Judgement(
        scenario=plan.scenario,
        seed=plan.seed,
        verdicts=(),
        void="the run ended before there was a verdict",
    )


def _files(path: Path) -> tuple[StoredFile, ...]:
    """The files of a run; a folder counts as one, with the size of all that is in it."""
    found = []
    for name, what in _WHAT.items():
        place = path / name
        inside = [f for f in place.rglob("*") if f.is_file()] if place.is_dir() else [place]
        size = sum(f.stat().st_size for f in inside if f.exists())
        if size:
            found.append(StoredFile(path=f"{name}/" if place.is_dir() else name, size=size, what=what))
    return tuple(found)
