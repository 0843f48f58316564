"""``lab clean``: what killed runs left behind, and its removal. What a living run holds is never touched."""

from __future__ import annotations

import sys
from pathlib import Path

from lab.reaper import RESOURCES, Resource, reap, recorded, remaining
from lab.store import RunFolder


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


def clean_before(out: Path) -> None:
    """Remove what is left before a new run starts, and say each thing beside its progress."""
    for folder, resources in leftovers(out).items():
        sys.stderr.write(f"lab: a killed run left {_things(len(resources))} behind ({folder})\n")
        reap(resources, report=_say_beside)


def _say_beside(line: str) -> None:
    sys.stderr.write(f"  {line}\n")


def _say(line: str) -> None:
    sys.stdout.write(f"  {line}\n")


def clean_up(out: Path, *, dry_run: bool) -> None:
    """Remove what is left, and say each thing."""
    left = leftovers(out)
    for folder, resources in left.items():
        sys.stdout.write(f"{folder}: {_things(len(resources))} left\n")
        if not dry_run:
            reap(resources, report=_say)
    if not left:
        sys.stdout.write("nothing is left of killed runs\n")


def _things(n: int) -> str:
    return "1 thing" if n == 1 else f"{n} things"
