"""Faults on the arms of a run: written down, done, measured, undone, and measured again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from lab.errors import EnvironmentFailed
from lab.model.dose import Dose
from lab.model.scenario import FaultUse
from lab.report.doses import gone, in_words
from lab.runner.arms import LiveArm
from lab.store import RunFolder


@contextmanager
def fault_on(use: FaultUse, one: LiveArm, folder: RunFolder) -> Iterator[None]:
    """One fault, with its undo on disk before it is done, and its start and end in the events."""
    target = {"target": use.params.target}
    folder.event("undo-planned", one.name, use.kind, {**use.params.undo(one.running), **target})
    inside: BaseException | None = None
    try:
        with use.params.inject(one.running) as delivered:
            folder.event("fault-on", one.name, use.kind, dict(delivered))
            try:
                yield
            except BaseException as error:
                inside = error
                raise
    except BaseException as error:
        undone = error is inside  # else it is the undo, or the doing, that failed
        folder.event("fault-off" if undone else "fault-failed", one.name, use.kind, target)
        raise
    folder.event("fault-off", one.name, use.kind, target)


def prove(use: FaultUse, one: LiveArm, folder: RunFolder) -> None:
    """Measure what a fault does while it is on, and keep it beside what was asked.

    EnvironmentFailed where it did not bite: whatever was measured then would be no problem's.
    """
    prove_of(use, one, folder, use.params.dose(one.running))


def prove_of(use: FaultUse, one: LiveArm, folder: RunFolder, doses: tuple[Dose, ...]) -> None:
    """The same of doses that were measured already."""
    _keep(use, one, folder, "dose", doses)
    missed = [dose for dose in doses if not dose.bit]
    if missed or not doses:
        raise EnvironmentFailed(
            f"the fault {use.kind} on {use.params.target} did not bite",
            where=f"arm {one.name}",
            why="; ".join(map(in_words, missed)) or "nothing of it could be measured",
            do="see the fault's attributes in the scenario, and logs/ in the run folder",
        )


def prove_healed(use: FaultUse, one: LiveArm, folder: RunFolder) -> None:
    """Measure again after the undo. EnvironmentFailed where the fault is still there.

    A fault that passes by itself has no undo: how long it is felt is what the run measures.
    """
    if use.params.event is not None:
        return
    doses: tuple[Dose, ...] = use.params.dose(one.running)
    _keep(use, one, folder, "healed", doses)
    if gone(doses) is False:
        raise EnvironmentFailed(
            f"the fault {use.kind} on {use.params.target} is still there after its undo",
            where=f"arm {one.name}",
            why="; ".join(map(in_words, doses)),
            do="this is a defect of the fault: the arm is removed; see events.jsonl in the run folder",
        )


def try_out(uses: Sequence[FaultUse], one: LiveArm, folder: RunFolder) -> None:
    """Each fault once, without load: it bites, and it heals."""
    for use in uses:
        with fault_on(use, one, folder):
            prove(use, one, folder)
        prove_healed(use, one, folder)


def _keep(use: FaultUse, one: LiveArm, folder: RunFolder, when: str, doses: tuple[Dose, ...]) -> None:
    told = [{**asdict(dose), "bit": dose.bit} for dose in doses]
    folder.event(when, one.name, use.kind, {"target": use.params.target, "doses": told})
