"""What a benchmark found, how it is shown, and how each program starts and ends."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lab.errors import Exit, LabError

Cell = str | int | float | None


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One goal: what was asked and what was found, in the same words. ``met`` None: it could not be judged."""

    goal: str
    bar: str
    found: str
    met: bool | None


@dataclass(frozen=True, kw_only=True)
class Table:
    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]


@dataclass(kw_only=True)
class Findings:
    """Everything that a program has to say."""

    tables: list[Table] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Options:
    """``folder`` is a temporary one of the program's own; ``quick`` shortens windows and counts."""

    rounds: int
    quick: bool
    folder: Path


def say(text: str) -> None:
    """Progress, beside the result."""
    print(text, file=sys.stderr, flush=True)


def run_program(name: str, description: str, measure: Callable[[Options], Findings]) -> int:
    """Read the command line, measure, print; the exit code: 0 all goals met, 1 one missed, else an error's."""
    parser = argparse.ArgumentParser(prog=name, description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default: %(default)s)")
    parser.add_argument(
        "--quick", action="store_true", help="short windows and few rounds: a look, no result"
    )
    given = parser.parse_args()
    if given.rounds < 1:
        parser.error("--rounds must be 1 or more")
    begun = time.monotonic()
    try:
        _need_linux()
        with tempfile.TemporaryDirectory(prefix="load-benchmark-") as folder:
            rounds = min(given.rounds, 2) if given.quick else given.rounds
            found = measure(Options(rounds=rounds, quick=given.quick, folder=Path(folder)))
    except LabError as error:
        print(error, file=sys.stderr)
        return error.exit
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    if given.json:
        print(json.dumps(as_json(name, found, rounds, given.quick, time.monotonic() - begun)))
    else:
        print(as_text(found))
    return Exit.REFUTED if any(goal.met is False for goal in found.goals) else Exit.OK


def as_json(name: str, found: Findings, rounds: int, quick: bool, seconds: float) -> dict[str, object]:
    """The findings as one object: ``tables`` with a dict for each row, ``goals``, ``notes``."""
    return {
        "benchmark": name,
        "rounds": rounds,
        "quick": quick,
        "seconds": round(seconds, 1),
        "machine": {
            "system": platform.platform(terse=True),
            "python": platform.python_version(),
            "cores": os.cpu_count(),
        },
        "tables": [
            {"title": table.title, "rows": [dict(zip(table.columns, row, strict=True)) for row in table.rows]}
            for table in found.tables
        ],
        "goals": [asdict(goal) for goal in found.goals],
        "notes": found.notes,
    }


def as_text(found: Findings) -> str:
    """The findings for a person: tables, then each goal with ``met`` or ``missed``."""
    parts = [f"{table.title}\n{_aligned(table.columns, table.rows)}" for table in found.tables]
    verdicts = {True: "met", False: "MISSED", None: "not judged"}
    goals = [(verdicts[goal.met], goal.goal, goal.bar, goal.found) for goal in found.goals]
    parts.append("Goals\n" + _aligned(("", "goal", "asked", "found"), goals))
    parts += [f"note: {note}" for note in found.notes]
    return "\n\n".join(parts)


def _aligned(columns: Sequence[str], rows: Sequence[tuple[Cell, ...]]) -> str:
    cells = [tuple(columns), *(tuple(_shown(cell) for cell in row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    return "\n".join(
        "  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def _shown(cell: Cell) -> str:
    if cell is None:
        return "-"
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:.3g}"


def _need_linux() -> None:
    if sys.platform != "linux":
        raise LabError(
            "the benchmarks of the load driver need Linux",
            where=sys.platform,
            why="they pin processes to cores and read CPU time from /proc",
            do="run them in a Linux machine or container with two cores",
        )
