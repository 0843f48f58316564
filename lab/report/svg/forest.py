"""Effect and interval of every fix on one measure, against no change and against what is allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from markupsafe import Markup

from lab.model.run import MeasureResult, MeasureSpec, Verdict
from lab.report import numbers
from lab.report.arms import Look
from lab.report.svg.draw import NARROW, Chart, Table, chart, line, marker, rect, text
from lab.report.svg.scale import Linear, Log, Scale, around

_ROW, _TOP = 34, 30
_IN = {"share": ", in percentage points", "ms": ", in ms"}


@dataclass(frozen=True)
class _Row:
    look: Look
    label: str
    result: MeasureResult


def forest(
    key: str, spec: MeasureSpec, verdicts: Sequence[Verdict], looks: Mapping[str, Look]
) -> Chart | None:
    """None where no fix has a result on this measure."""
    rows = [
        _Row(looks[verdict.arm], verdict.fix, result)
        for verdict in verdicts
        for result in verdict.measures
        if result.name == spec.name and result.ratio is not None
    ]
    if not rows:
        return None
    title = (
        f"Change of {spec.name} against the problem{_IN.get(spec.unit, '') if spec.scale != 'ratio' else ''}"
    )
    return chart(key, title, _said(rows), _table(spec, rows), lambda width: _draw(spec, rows, width))


def allowed_change(spec: MeasureSpec, result: MeasureResult) -> float | None:
    """The change that brings the problem's median just to what is allowed; None where that is unknown."""
    allowed = result.limit
    if allowed is None and result.healthy is not None:
        allowed = result.healthy * spec.tau if spec.scale == "ratio" else result.healthy + spec.tolerance
    if allowed is None or result.problem is None:
        return None
    if spec.scale == "ratio":
        return allowed / result.problem if result.problem > 0 and allowed > 0 else None
    return allowed - result.problem


def _draw(spec: MeasureSpec, rows: Sequence[_Row], width: int) -> tuple[float, list[Markup]]:
    narrow = width == NARROW
    left, right = (12, 12) if narrow else (184, 188)
    step = _ROW + 18 if narrow else _ROW
    bottom = _TOP + step * len(rows)
    scale = _scale(spec, rows, left, width - right)
    drawn = _heads(spec, rows, scale, left, width - right)
    for n, one in enumerate(rows):
        top, end = _TOP + n * step, _TOP + (n + 1) * step
        drawn += _ground(spec, rows, scale, left, (top + 22 if narrow else top, end))
        drawn += _row(one, scale, (top, end), width, narrow=narrow)
    for tick in scale.ticks():
        drawn.append(line(scale(tick), bottom, scale(tick), bottom + 5, "axis"))
        drawn.append(text(scale(tick), bottom + 19, _tick(spec, tick), "tick", "middle"))
    drawn.append(line(left, bottom, width - right, bottom, "axis"))
    return bottom + 24, drawn


def _neutral(spec: MeasureSpec) -> float:
    return 1.0 if spec.scale == "ratio" else 0.0


def _heads(spec: MeasureSpec, rows: Sequence[_Row], scale: Scale, left: float, right: float) -> list[Markup]:
    """The words above the two lines that effects are read against."""
    neutral = scale(_neutral(spec))
    drawn = [text(neutral, _TOP - 10, "no change", "label", _anchor(neutral, left, right))]
    target = allowed_change(spec, rows[0].result)
    if target is None:
        return drawn
    limit = rows[0].result.limit
    said = (
        f"within the limit of {numbers.bound(limit, spec.unit)}" if limit is not None else "back to healthy"
    )
    edge = scale(target)
    if edge - left > len(said) * 6.6:
        return [*drawn, text(edge, _TOP - 10, said, "label good", "end")]
    return [*drawn, text(left, _TOP - 10, said, "label good", "start")]


def _ground(
    spec: MeasureSpec, rows: Sequence[_Row], scale: Scale, left: float, ends: tuple[float, float]
) -> list[Markup]:
    """Behind one row: the line of no change, and the zone in which a fix has to end up."""
    top, bottom = ends
    neutral, target = scale(_neutral(spec)), allowed_change(spec, rows[0].result)
    drawn = [] if target is None else [rect(left, top, scale(target) - left, bottom - top, "allowed")]
    if target is not None:
        drawn.append(line(scale(target), top, scale(target), bottom, "limit", "5 3"))
    return [*drawn, line(neutral, top, neutral, bottom, "neutral")]


def _row(one: _Row, scale: Scale, ends: tuple[float, float], width: int, *, narrow: bool) -> list[Markup]:
    result = one.result
    effect = numbers.effect(result.ratio, result.scale, result.unit)
    bounds = numbers.interval(result.lower, result.upper, result.scale, result.unit)
    said = f"{effect} ({bounds})" if bounds else effect
    top, bottom = ends
    at = (top + 22 + bottom) / 2 if narrow else (top + bottom) / 2
    drawn = _interval(one, scale, at)
    drawn.append(
        marker(one.look.shape, scale(result.ratio or 0.0), at, 6, one.look.css, f"{one.label}: {said}")
    )
    if narrow:
        room = int((width - 24 - 6.6 * len(said)) / 7.8)
        edge, base = 12.0, top + 15
    else:
        room, edge, base = 23, 0.0, at + 4
    name = text(edge, base, _short(one.label, room), "name")
    return [*drawn, name, text(width - edge, base, said, "value", "end")]


def _interval(one: _Row, scale: Scale, at: float) -> list[Markup]:
    """From bound to bound; an open end runs to the edge of the plot and has no cap."""
    cls, ends, drawn = f"interval {one.look.css}", [], []
    for bound, edge in ((one.result.lower, scale.start), (one.result.upper, scale.end)):
        closed = bound is not None and isfinite(bound)
        ends.append(scale(bound) if bound is not None and closed else edge)
        if closed:
            drawn.append(line(ends[-1], at - 5, ends[-1], at + 5, cls))
    return [line(ends[0], at, ends[1], at, cls), *drawn]


def _short(label: str, room: int) -> str:
    return label if len(label) <= room else f"{label[: max(room - 1, 3)]}…"


def _scale(spec: MeasureSpec, rows: Sequence[_Row], start: float, end: float) -> Scale:
    found = [1.0 if spec.scale == "ratio" else 0.0]
    for one in rows:
        ends = (one.result.ratio, one.result.lower, one.result.upper, allowed_change(spec, one.result))
        found += [value for value in ends if value is not None and isfinite(value)]
    count = 4 if end - start < 400 else 7
    if spec.scale == "ratio":
        return Log(*around(found, log=True, margin=0.1), start, end, count)
    return Linear(*around(found, margin=0.1), start, end, count)


def _tick(spec: MeasureSpec, tick: float) -> str:
    if spec.scale == "ratio":
        return f"× {tick:g}"
    if spec.unit == "share":
        return f"{tick * 100:+.0f}".replace("-", numbers.MINUS) if tick else "0"
    return f"{tick:+g}".replace("-", numbers.MINUS) if tick else "0"


def _anchor(x: float, left: float, right: float) -> str:
    return "end" if x > right - 40 else "start" if x < left + 40 else "middle"


def _said(rows: Sequence[_Row]) -> str:
    return " ".join(
        f"{one.label}: {numbers.effect(one.result.ratio, one.result.scale, one.result.unit)}." for one in rows
    )


def _table(spec: MeasureSpec, rows: Sequence[_Row]) -> Table:
    return Table(
        head=("arm", "change", "bounds", "change that is needed"),
        rows=tuple(
            (
                one.label,
                numbers.effect(one.result.ratio, one.result.scale, one.result.unit),
                numbers.interval(one.result.lower, one.result.upper, one.result.scale, one.result.unit),
                numbers.effect(allowed_change(spec, one.result), one.result.scale, one.result.unit),
            )
            for one in rows
        ),
    )
