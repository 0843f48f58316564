"""Every block of the run in the order in which it was measured: what the judge saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

from markupsafe import Markup

from lab.model.run import Block, MeasureSpec
from lab.report import numbers
from lab.report.arms import Look
from lab.report.svg.draw import NARROW, Chart, Table, chart, cross, line, marker, rect, text
from lab.report.svg.scale import Linear, Log, Scale, around

_HEIGHT = 216
_LABEL = 66  # width of the word above a tail


def in_order(key: str, spec: MeasureSpec, blocks: Sequence[Block], looks: Mapping[str, Look]) -> Chart | None:
    """One panel for a measure; None where no block has a value for it."""
    seen = [block for block in blocks if block.phase != "closing" and block.arm in looks]
    if not any(_value(spec, block) is not None for block in seen):
        return None
    title = f"{spec.name}, block by block"
    disturbed = sum(block.disturbed for block in seen)
    said = f"{len(seen)} blocks in run order, {disturbed} of them disturbed and measured again."
    return chart(key, title, said, _table(spec, seen, looks), lambda width: _draw(spec, seen, looks, width))


def _value(spec: MeasureSpec, block: Block) -> float | None:
    value = block.values.get(spec.name)
    return value if value is not None and isfinite(value) else None


def _draw(
    spec: MeasureSpec, blocks: Sequence[Block], looks: Mapping[str, Look], width: int
) -> tuple[float, list[Markup]]:
    narrow = width == NARROW
    left, right, top, bottom = 66, width - 12, 26, _HEIGHT - 34
    step = (right - left) / len(blocks)
    y = _scale(spec, blocks, bottom, top)
    drawn = [*_tail(blocks, left, step, top, bottom), *_strata(blocks, left, step, top, bottom)]
    drawn += _grid(spec, y, left, right)
    for n, block in enumerate(blocks):
        value = _value(spec, block)
        if value is not None:
            drawn += _mark(
                spec,
                block,
                looks[block.arm],
                left + (n + 0.5) * step,
                y(value),
                min(4.5, max(2.2, step * 0.55)),
                tips=not narrow,
            )
    drawn += [
        text(left, _HEIGHT - 10, "first block", "tick"),
        text(right, _HEIGHT - 10, f"block {len(blocks)}", "tick", "end"),
    ]
    return _HEIGHT, drawn


def _scale(spec: MeasureSpec, blocks: Sequence[Block], bottom: float, top: float) -> Scale:
    values = [value for block in blocks if (value := _value(spec, block)) is not None]
    values += [spec.limit] if spec.limit is not None else []
    if spec.scale == "ratio" and min(values) > 0 and max(values) / min(values) > 20:
        return Log(*around(values, log=True), bottom, top, 6)
    return Linear(min(0.0, *values), max(values) * 1.1 or 1.0, bottom, top, 5)


def _grid(spec: MeasureSpec, y: Scale, left: float, right: float) -> list[Markup]:
    """Grid lines with their values; the limit stands among them, and nothing stands on top of it."""
    at = None if spec.limit is None else y(spec.limit)
    drawn = []
    for tick in y.ticks():
        drawn.append(line(left, y(tick), right, y(tick), "grid"))
        if at is None or abs(y(tick) - at) > 14:
            drawn.append(text(left - 8, y(tick) + 4, _tick(spec, tick), "tick", "end"))
    if at is not None:
        drawn.append(line(left, at, right, at, "limit", "5 3"))
        drawn.append(
            text(left - 8, at + 4, f"limit {numbers.bound(spec.limit, spec.unit)}", "tick good", "end")
        )
    return drawn


def _tail(blocks: Sequence[Block], left: float, step: float, top: float, bottom: float) -> list[Markup]:
    """The stretches in which only fixes were left, to see whether they stay good."""
    drawn, first = [], None
    for n, phase in enumerate([*(block.phase for block in blocks), "end"]):
        if phase == "tail" and first is None:
            first = n
        elif phase != "tail" and first is not None:
            drawn.append(rect(left + first * step, top, (n - first) * step, bottom - top, "tail"))
            if (n - first) * step > _LABEL:
                drawn.append(text(left + n * step, top - 9, "confirming", "label", "end"))
            first = None
    return drawn


def _strata(blocks: Sequence[Block], left: float, step: float, top: float, bottom: float) -> list[Markup]:
    found = []
    for n in range(1, len(blocks)):
        before, after = blocks[n - 1], blocks[n]
        if "tail" not in (before.phase, after.phase) and before.stratum != after.stratum:
            found.append(line(left + n * step, top, left + n * step, bottom, "stratum"))
    return found


def _mark(
    spec: MeasureSpec, block: Block, look: Look, x: float, y: float, r: float, *, tips: bool
) -> list[Markup]:
    said = f"block {block.n}, {look.label}: {numbers.number(_value(spec, block), spec.unit)}"
    if block.disturbed:
        why = f"{said}; disturbed: {', '.join(block.reasons)}"
        return [marker(look.shape, x, y, r, f"hollow {look.css}", why), cross(x, y, r + 1.5, "disturbed")]
    return [marker(look.shape, x, y, r, look.css, said if tips else "")]


def _tick(spec: MeasureSpec, tick: float) -> str:
    return numbers.bound(tick, spec.unit if spec.unit in ("share", "ms", "bytes") else "")


def _table(spec: MeasureSpec, blocks: Sequence[Block], looks: Mapping[str, Look]) -> Table:
    return Table(
        head=("block", "arm", "phase", spec.name, "disturbed"),
        rows=tuple(
            (
                str(block.n),
                looks[block.arm].label,
                block.phase,
                numbers.number(_value(spec, block), spec.unit),
                ", ".join(block.reasons) if block.disturbed else "",
            )
            for block in blocks
        ),
    )
