"""What the runs of a folder say together: each in a line, and how often a placebo was called RESOLVED."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.model.report import Machine
from lab.model.run import Verdict, control_fix, placebo_fix
from lab.model.scenario import State
from lab.store.finding import runs
from lab.store.folder import RunFolder
from lab.verdict.tally import Tally

CONTROL_FAILED = "control-failed"
_PLACEBOS = (placebo_fix(), control_fix("placebo"))
_OPEN = ("undecided", "tail-incomplete")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one fix or placebo ended: its state, and the code of the reason."""

    fix: str
    state: State
    code: str

    @property
    def placebo(self) -> bool:
        return self.fix in _PLACEBOS

    @property
    def resolved(self) -> bool:
        return self.state == "resolved" or self.code == CONTROL_FAILED

    @property
    def open(self) -> bool:
        """The run ended before this was decided."""
        return self.code in _OPEN

    @property
    def counted(self) -> bool:
        """It says something of the error rate: it was judged, and to an end."""
        return self.placebo and (self.resolved or (self.state != "void" and not self.open))


@dataclass(frozen=True, kw_only=True)
class PastRun:
    """One finished run. ``started`` is UTC in ISO 8601, ``exit`` the exit code; seconds of load and in all."""

    run: str
    folder: Path
    scenario: str
    started: str
    stack: str
    seed: int
    machine: Machine
    exit: int
    outcomes: tuple[Outcome, ...]
    void: bool
    load_s: float
    wall_s: float


@dataclass(frozen=True, kw_only=True)
class Past:
    """The finished runs of a folder, the oldest first, and how many could not be counted."""

    runs: tuple[PastRun, ...]
    unfinished: int = 0
    unreadable: int = 0


@dataclass(frozen=True, kw_only=True)
class Placebos:
    """Placebos that were judged to an end in so many ``runs``, one for each group of arms.

    ``resolved`` is k of n placebos; ``improved`` how many were called that.
    """

    resolved: Tally
    improved: int = 0
    runs: int = 0


def past(out: Path, scenario: str | None = None) -> Past:
    """All runs below ``out``, or those of one scenario. Folders that do not tell are counted, not raised."""
    found: list[PastRun] = []
    unfinished = unreadable = 0
    for folder in reversed(runs(out)):
        try:
            one = _read(folder)
        except LabError:
            unreadable += 1
            continue
        if one is None:
            unfinished += 1
        elif scenario in (None, one.scenario):
            found.append(one)
    return Past(runs=tuple(found), unfinished=unfinished, unreadable=unreadable)


def _read(folder: RunFolder) -> PastRun | None:
    """None where the run has not said how it ended."""
    judgement = folder.read_judgement()
    if judgement is None:
        return None
    info = folder.read_run()
    return PastRun(
        run=info.run,
        folder=folder.path,
        scenario=info.scenario,
        started=info.started,
        stack=info.stack,
        seed=info.seed,
        machine=info.machine,
        exit=info.exit,
        outcomes=tuple(_outcome(verdict) for verdict in judgement.verdicts),
        void=judgement.void is not None,
        load_s=info.load_s,
        wall_s=info.wall_s,
    )


def _outcome(verdict: Verdict) -> Outcome:
    return Outcome(fix=verdict.fix, state=verdict.state, code=verdict.reason_code)


def placebos(found: Iterable[PastRun]) -> Placebos:
    """Every placebo of these runs, wherever it stood."""
    by_run = [[one for one in run.outcomes if one.counted] for run in found]
    counted = [one for outcomes in by_run for one in outcomes]
    return Placebos(
        resolved=Tally(sum(one.resolved for one in counted), len(counted)),
        improved=sum(one.state == "improved" for one in counted),
        runs=sum(bool(outcomes) for outcomes in by_run),
    )


def by_scenario(found: Iterable[PastRun]) -> Mapping[str, Placebos]:
    """The same for each scenario, by name."""
    grouped: dict[str, list[PastRun]] = {}
    for run in found:
        grouped.setdefault(run.scenario, []).append(run)
    return {name: placebos(grouped[name]) for name in sorted(grouped)}
