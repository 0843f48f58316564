"""``lab compare``: the effects of two runs beside each other, where the same experiment was made twice."""

from __future__ import annotations

import hashlib
import json as json_
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from itertools import zip_longest
from math import inf
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.model.report import RunInfo
from lab.model.run import BlockPlan, Judgement, MeasureResult, Plan
from lab.report import numbers, words
from lab.store import RunFolder, find

OF_THE_SEED = {"arrivals_seed"}  # another seed is another draw of the same experiment


@dataclass(frozen=True, kw_only=True)
class Side:
    """What is compared of one run."""

    name: str
    scenario: str  # the text
    plan: Plan
    info: RunInfo
    judgement: Judgement


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measure of one fix in both runs; None where a run did not measure it.

    ``overlap``: whether the intervals have a point in common; an open end has no end. None where a side
    has no effect to compare.
    """

    fix: str
    measure: str
    a: MeasureResult | None
    b: MeasureResult | None
    states: tuple[str | None, str | None]
    overlap: bool | None


def show_comparison(out: Path, first: str, second: str, *, json: bool) -> None:
    """The table of two runs. LabError where they are not the same experiment on the same machine."""
    a, b = (_side(find(out, name)) for name in (first, second))
    refuse_different(a, b)
    rows = compared(a.judgement, b.judgement)
    if json:
        found = {"schema": "lab.compare/1", "a": a.name, "b": b.name, "rows": [_plain(row) for row in rows]}
        sys.stdout.write(json_.dumps(found, indent=1) + "\n")
        return
    for line in lines(a, b, rows):
        sys.stdout.write(line + "\n")


def _side(folder: RunFolder) -> Side:
    judgement = folder.read_judgement()
    if judgement is None:
        raise LabError(
            "this run has no verdict to compare",
            where=str(folder.path),
            why="it is still going on" if folder.alive else "it ended before there was one",
            do="name a run that came to its end: lab history",
        )
    return Side(
        name=folder.path.name,
        scenario=folder.read_scenario(),
        plan=folder.read_plan(),
        info=folder.read_run(),
        judgement=judgement,
    )


# -- the same experiment? ---------------------------------------------------------------------------


def refuse_different(a: Side, b: Side) -> None:
    """LabError that names each difference of the two environments."""
    found = differences(a, b)
    if found:
        raise LabError(
            f"these runs cannot be compared: {len(found)} things differ",
            where=f"{a.name}, {b.name}",
            why="\n       ".join(found),
            do="run the same scenario again where the other run was made",
        )


def differences(a: Side, b: Side) -> list[str]:
    """Every difference that could pass for an effect, in words."""
    one, other = _environment(a), _environment(b)
    names = list(dict.fromkeys((*one, *other)))
    return [
        f"{name}: {_told(one.get(name))} and {_told(other.get(name))}"
        for name in names
        if one.get(name) != other.get(name)
    ]


def _environment(side: Side) -> Mapping[str, Any]:
    plan, machine = side.plan, side.info.machine
    text = hashlib.sha256(side.scenario.encode()).hexdigest()
    return {
        "scenario": plan.scenario,
        "text of the scenario": f"sha256 {text[:12]}",
        "stack": plan.stack,
        **{f"version of {name}": found for name, found in sorted(side.info.versions.items())},
        "cpu": machine.cpu,
        "cores": machine.cores,
        "kernel": machine.kernel,
        **{
            f"block: {key.name}": getattr(plan.block, key.name)
            for key in fields(BlockPlan)
            if key.name not in OF_THE_SEED
        },
    }


def _told(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return "nothing" if value in (None, "", ()) else str(value)


# -- the effects ------------------------------------------------------------------------------------


def compared(a: Judgement, b: Judgement) -> tuple[Row, ...]:
    """Every measure of every fix, in the order of the first run, then what only the second has."""
    one, other = _by_place(a), _by_place(b)
    nothing = (None, None)
    rows = []
    for fix, measure in dict.fromkeys((*one, *other)):
        state_a, left = one.get((fix, measure), nothing)
        state_b, right = other.get((fix, measure), nothing)
        states, overlap = (state_a, state_b), _overlap(left, right)
        rows.append(Row(fix=fix, measure=measure, a=left, b=right, states=states, overlap=overlap))
    return tuple(rows)


def _by_place(judgement: Judgement) -> Mapping[tuple[str, str], tuple[str, MeasureResult]]:
    """State and result of each measure by fix and measure; placebos of several groups are told apart."""
    seen: dict[str, int] = {}
    found = {}
    for verdict in judgement.verdicts:
        nth = seen[verdict.fix] = seen.get(verdict.fix, 0) + 1
        name = verdict.fix if nth == 1 else f"{verdict.fix} ({nth})"
        for measure in words.ordered(verdict):
            found[name, measure.name] = (verdict.state, measure)
    return found


def _overlap(a: MeasureResult | None, b: MeasureResult | None) -> bool | None:
    if a is None or b is None or a.ratio is None or b.ratio is None:
        return None
    (low_a, high_a), (low_b, high_b) = _ends(a), _ends(b)
    return low_a <= high_b and low_b <= high_a


def _ends(found: MeasureResult) -> tuple[float, float]:
    low = -inf if found.lower is None else found.lower
    return low, inf if found.upper is None else found.upper


# -- in words ---------------------------------------------------------------------------------------


def lines(a: Side, b: Side, rows: tuple[Row, ...]) -> Iterator[str]:
    """The two runs, a table of their effects against the problem, and what to make of it."""
    for letter, side in (("A", a), ("B", b)):
        yield f"{letter}  {side.name}  {side.plan.scenario}, {side.plan.stack}, seed {side.plan.seed}"
    table = [("fix", "measure", "A", "B", ""), *(_cells(row) for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip_longest(*table, fillvalue="")]
    for cells in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
    apart = sum(row.overlap is False for row in rows)
    measured = sum(row.overlap is not None for row in rows)
    yield f"{measured - apart} of {measured} effects agree within their intervals"


def _cells(row: Row) -> tuple[str, ...]:
    said = {True: "overlap", False: "APART", None: "not comparable"}[row.overlap]
    return row.fix, row.measure, _cell(row.a, row.states[0]), _cell(row.b, row.states[1]), said


def _cell(found: MeasureResult | None, state: str | None) -> str:
    if found is None or state is None:
        return "not measured"
    effect = numbers.effect(found.ratio, found.scale, found.unit)
    interval = numbers.interval(found.lower, found.upper, found.scale, found.unit)
    return f"{effect}{f' ({interval})' if interval else ''} {words.STATES[state]}"


def _plain(row: Row) -> dict[str, Any]:
    def side(found: MeasureResult | None, state: str | None) -> dict[str, Any] | None:
        return None if found is None else {"state": state, **asdict(found)}

    results = {"a": side(row.a, row.states[0]), "b": side(row.b, row.states[1])}
    return {"fix": row.fix, "measure": row.measure, **results, "overlap": row.overlap}
