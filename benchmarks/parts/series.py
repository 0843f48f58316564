"""Recorded block series: what real runs measured block by block, kept small, to be judged again under other labels.

A series holds the slots of the healthy, problem and placebo arms of some runs in the order in which they ran.
Fixes are left out: nothing is equal to them, so they cannot be relabelled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.model.run import Block, MeasureSpec, Role
from lab.store import RunFolder

SCHEMA = "lab.series/1"
ROLES: tuple[Role, ...] = ("healthy", "problem", "placebo")
ALWAYS = ("run", "role", "stratum", "start_s", "disturbed", "p50_ms", "p95_ms")
SHOWN = ("p50_ms", "p95_ms")
DIGITS = 4  # significant ones

Number = float | None


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """One block. ``run`` counts the runs of the series, ``start_s`` the seconds since the run's first block.

    ``values`` holds what the scenario judges, by its names, and ``p50_ms`` and ``p95_ms`` of the block.
    """

    run: int
    role: Role
    stratum: int
    start_s: float
    disturbed: bool
    values: Mapping[str, Number]


@dataclass(frozen=True, kw_only=True)
class Series:
    """Runs of one scenario. ``made_by`` is the command of one run, ``about`` says what machine it was."""

    name: str
    scenario: str
    about: str
    made_by: str
    measures: tuple[MeasureSpec, ...]
    blocks: tuple[Recorded, ...]

    def of(self, *roles: Role) -> tuple[Recorded, ...]:
        """The blocks of these arms, in the order in which they ran."""
        return tuple(block for block in self.blocks if block.role in roles)

    def strata(self) -> tuple[tuple[Recorded, ...], ...]:
        """Strata in which each arm has the three blocks of the plan and the machine disturbed none."""
        found: dict[tuple[int, int], list[Recorded]] = {}
        for block in self.blocks:
            found.setdefault((block.run, block.stratum), []).append(block)
        return tuple(tuple(blocks) for blocks in found.values() if _whole(blocks))


def _whole(blocks: Sequence[Recorded]) -> bool:
    clean = not any(block.disturbed for block in blocks)
    return clean and all(sum(block.role == role for block in blocks) == 3 for role in ROLES)


def read_series(path: Path) -> Series:
    """A series from its file. LabError where it is another file."""
    try:
        kept = json.loads(path.read_text())
        if kept["schema"] != SCHEMA:
            raise KeyError(kept["schema"])
        columns = kept["columns"]
        return Series(
            name=path.stem,
            scenario=kept["scenario"],
            about=kept["about"],
            made_by=kept["made_by"],
            measures=tuple(MeasureSpec(**spec) for spec in kept["measures"]),
            blocks=tuple(_block(dict(zip(columns, row, strict=True))) for row in kept["blocks"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as wrong:
        raise LabError(
            "this is not a recorded series", where=str(path), why=repr(wrong), do=f"name a file of {SCHEMA}"
        ) from None


def _block(row: dict[str, Any]) -> Recorded:
    return Recorded(
        run=row["run"],
        role=ROLES[row["role"]],
        stratum=row["stratum"],
        start_s=row["start_s"],
        disturbed=bool(row["disturbed"]),
        values={name: value for name, value in row.items() if name not in ALWAYS or name in SHOWN},
    )


def record(folders: Sequence[Path], about: str, made_by: str) -> str:
    """The text of a series file made from run folders, one block a line. LabError where scenarios differ."""
    runs = [RunFolder(path) for path in folders]
    plans = [run.read_plan() for run in runs]
    if len({plan.scenario for plan in plans}) != 1:
        raise LabError("a series is made of runs of one scenario", do="name run folders of one scenario")
    specs = plans[0].measures
    columns = (*ALWAYS, *(spec.name for spec in specs))
    head = {
        "schema": SCHEMA,
        "scenario": plans[0].scenario,
        "about": about,
        "made_by": made_by,
        "measures": [_told(spec) for spec in specs],
        "columns": columns,
    }
    rows = [
        json.dumps(row, separators=(",", ":"))
        for n, run in enumerate(runs)
        for row in _rows(n, run.read_blocks(), specs)
    ]
    return json.dumps(head, indent=1)[:-2] + ',\n "blocks": [\n' + ",\n".join(rows) + "\n ]\n}\n"


def _told(spec: MeasureSpec) -> dict[str, object]:
    return {name: getattr(spec, name) for name in spec.__dataclass_fields__}


def _rows(run: int, blocks: Sequence[Block], specs: Sequence[MeasureSpec]) -> list[list[Number]]:
    slots = sorted(
        (block for block in blocks if block.phase == "slot" and block.role in ROLES),
        key=lambda block: (block.n, block.attempt),
    )
    return [_row(run, slots[0].start_ns, block, specs) for block in slots]


def _row(run: int, first_ns: int, block: Block, specs: Sequence[MeasureSpec]) -> list[Number]:
    measured = [block.shown.get(name) for name in SHOWN] + [block.values.get(spec.name) for spec in specs]
    return [
        run,
        ROLES.index(block.role),
        block.stratum,
        round((block.start_ns - first_ns) / 1e9, 1),
        int(block.disturbed),
        *(None if value is None else float(f"{value:.{DIGITS}g}") for value in measured),
    ]
