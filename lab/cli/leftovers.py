"""``lab clean``: what killed runs left behind, and its removal. What a living run holds is never touched."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from lab.errors import EnvironmentFailed, LabError
from lab.reaper import RESOURCES, Resource, reap, recorded, remaining
from lab.store import RunFolder

PATIENCE_S = 10.0
ENGINE_S = 1.0


def leftovers(out: Path) -> dict[Path, list[Resource]]:
    """Run folders of dead runs with what they owned that is still there."""
    found = {}
    for path in sorted(out.glob(f"*/{RESOURCES}")):
        folder = path.parent
        if not RunFolder(folder).alive:
            left = remaining(recorded(folder))
            if left:
                found[folder] = left
    return found


def standing(folder: Path) -> list[str]:
    """Faults of a run that were planned or on when it died, in words; whatever they lived in dies with it."""
    on: dict[tuple[str, str, str], None] = {}
    for event in RunFolder(folder).read_events():
        key = (event.what, str(event.data.get("target", "")), event.arm)
        if event.kind == "undo-planned":
            on[key] = None
        elif event.kind == "fault-off":
            on.pop(key, None)
    return [f"{kind} on {target or 'its target'} of {arm}" for kind, target, arm in on]


def clean_before(out: Path) -> None:
    """Remove what is left before a new run starts, and say each thing beside its progress."""
    for folder, resources in leftovers(out).items():
        sys.stderr.write(f"lab: a killed run left {_things(len(resources))} behind ({folder})\n")
        _remove(folder, resources, lambda line: _write(sys.stderr, line))


def _remove(folder: Path, resources: list[Resource], say: Callable[[str], None]) -> None:
    """Remove everything, then look again. EnvironmentFailed where something is still there."""
    try:
        faults = standing(folder)
    except (
        LabError
    ):  # it was killed before it wrote any, or its file is damaged: there is still all to remove
        faults = []
    reap(resources, report=say)
    _once_more(folder, say)
    if still := _still(resources):
        told = "; ".join(", ".join(f"{key} {value}" for key, value in one.items()) for one in still)
        raise EnvironmentFailed(
            f"{_things(len(still))} of a killed run could not be removed",
            where=str(folder),
            why=f"still there: {told}",
            do="remove what is named, then run lab clean again",
        )
    for fault in faults:
        say(f"the fault {fault} is gone with its servers")
    say("looked again: nothing of it is left")


def _once_more(folder: Path, say: Callable[[str], None]) -> None:
    """A container engine goes on making what it was asked for, also when nobody waits for it any more."""
    labelled = [resource for resource in recorded(folder) if "label" in resource]
    if labelled:
        threading.Event().wait(ENGINE_S)
        reap(labelled, report=say)


def _still(resources: list[Resource]) -> list[Resource]:
    """What is there after a while: the run's own reaper may be at the same work, and ending takes a moment."""
    waiter, deadline = threading.Event(), time.monotonic() + PATIENCE_S
    while (found := remaining(resources)) and time.monotonic() < deadline:
        waiter.wait(0.1)
    return found


def _write(stream: TextIO, line: str) -> None:
    stream.write(f"  {line}\n")


def clean_up(out: Path, *, dry_run: bool) -> None:
    """Remove what is left, and say each thing. EnvironmentFailed where something cannot be removed."""
    left = leftovers(out)
    for folder, resources in left.items():
        sys.stdout.write(f"{folder}: {_things(len(resources))} left\n")
        if not dry_run:
            _remove(folder, resources, lambda line: _write(sys.stdout, line))
    if not left:
        sys.stdout.write("nothing is left of killed runs\n")


def _things(n: int) -> str:
    return "1 thing" if n == 1 else f"{n} things"
