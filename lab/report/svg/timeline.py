"""Latency, failures and throughput of every arm over the time of the run, with the faults behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean, median
from typing import Literal

from markupsafe import Markup

from lab.model.report import Span, Tick
from lab.report import numbers
from lab.report.arms import Look
from lab.report.svg.draw import NARROW, Chart, Table, chart, element, line, marker, rect, text
from lab.report.svg.scale import Linear, Log, around

_PANEL, _PLOT, _STRIP, _TOP = 136, 78, 10, 26


def timeline(
    ticks: Mapping[str, tuple[Tick, ...]], faults: Sequence[Span], looks: Mapping[str, Look]
) -> Chart | None:
    """One panel for each arm on the clock of the run; None where nothing was measured."""
    known = [(looks[arm], ticks[arm]) for arm in looks if ticks.get(arm)]
    if not known:
        return None
    said = " ".join(
        f"{look.label}: slowest answer {numbers.milliseconds(_slowest(found))}." for look, found in known
    )
    title = "Latency, failures and throughput over the run"
    return chart("timeline", title, said, _table(known), lambda width: _draw(known, faults, width))


def _slowest(found: Sequence[Tick]) -> float | None:
    return max((tick.max_ms for tick in found if tick.max_ms is not None), default=None)


def _draw(
    known: list[tuple[Look, tuple[Tick, ...]]], faults: Sequence[Span], width: int
) -> tuple[float, list[Markup]]:
    left, right = 52, width - 12
    end = max(tick.at_s for _, found in known for tick in found) * 1.01 + 0.1
    x = Linear(0.0, end, left, right, 5 if width == NARROW else 10)
    values = [ms for _, found in known for t in found for ms in (t.p50_ms, t.max_ms) if ms is not None]
    low, high = around(values, log=True)
    drawn: list[Markup] = []
    for n, (look, found) in enumerate(known):
        top = _TOP + n * _PANEL
        y = Log(low, high, top + _PLOT, top + 4, 3)
        drawn += _windows(found, x, top)
        drawn += _bands([span for span in faults if span.arm == look.arm], x, top)
        drawn += _grid(y, left, right)
        drawn += _latency(look, found, x, y)
        drawn += _throughput(found, x, top + _PLOT + 6)
        drawn.append(text(left - 8, top + _PLOT + 6 + _STRIP, "done", "tick", "end"))
        drawn += [
            marker(look.shape, left + 6, top - 13, 5, look.css),
            text(left + 17, top - 9, look.label, "name"),
        ]
    bottom = _TOP + len(known) * _PANEL - 16
    for tick in x.ticks():
        drawn += [
            line(x(tick), bottom - 8, x(tick), bottom - 3, "axis"),
            text(x(tick), bottom + 11, f"{tick:g} s", "tick", "middle"),
        ]
    drawn.append(line(left, bottom - 8, right, bottom - 8, "axis"))
    return bottom + 22, drawn


def _windows(found: Sequence[Tick], x: Linear, top: float) -> list[Markup]:
    """When this arm was under load."""
    return [rect(x(start), top, x(end) - x(start), _PLOT, "window") for start, end, _ in _by_block(found)]


def _by_block(found: Sequence[Tick]) -> list[tuple[float, float, list[Tick]]]:
    """Start, end and slices of each block; a block of one slice gets the width that a slice mostly has."""
    blocks: dict[int, list[Tick]] = {}
    for tick in found:
        blocks.setdefault(tick.block, []).append(tick)
    gaps = [b.at_s - a.at_s for of in blocks.values() for a, b in pairwise(of)]
    half = median(gaps) / 2 if gaps else 0.25
    return [(of[0].at_s - half, of[-1].at_s + half, of) for of in blocks.values()]


def _bands(spans: Sequence[Span], x: Linear, top: float) -> list[Markup]:
    """Where a fault was on: a band, with a notch where it struck."""
    drawn = []
    for span in spans:
        start, end = x(max(0.0, span.start_s)), x(max(0.0, span.end_s))
        tip = f"{span.what} at {span.start_s:.2f} s"
        drawn.append(rect(start, top, max(1.0, end - start), _PLOT, "fault", tip))
        drawn.append(element("path", d=f"M{start - 3:.1f} {top - 1:.1f}h6l-3 5z", cls="notch"))
    return drawn


def _grid(y: Log, left: float, right: float) -> list[Markup]:
    drawn = []
    for tick in y.ticks():
        drawn += [
            line(left, y(tick), right, y(tick), "grid"),
            text(left - 8, y(tick) + 4, numbers.milliseconds(tick), "tick", "end"),
        ]
    return drawn


def _latency(look: Look, found: Sequence[Tick], x: Linear, y: Log) -> list[Markup]:
    """From the median to the slowest answer of each slice; a cross where requests failed."""
    steps = [
        f"M{x(t.at_s):.1f} {y(t.p50_ms) + 0.8:.1f}V{y(t.max_ms):.1f}"
        for t in found
        if t.p50_ms is not None and t.max_ms is not None
    ]
    drawn = [element("path", d="".join(steps), cls=f"range {look.css}")]
    failing = [f"M{x(t.at_s) - 2:.1f} {y(y.high) - 1:.1f}h4m-2-2v4" for t in found if t.failed > 0]
    if failing:
        drawn.append(element("path", d="".join(failing), cls="failing"))
    return drawn


def _throughput(found: Sequence[Tick], x: Linear, top: float) -> list[Markup]:
    """A bar for each block below the plot: what was asked for, and how much of it was answered."""
    most = max(_mean(of, "offered") for _, _, of in _by_block(found)) or 1.0
    drawn = []
    for start, end, of in _by_block(found):
        offered, done = _mean(of, "offered"), _mean(of, "done")
        for rate, cls in ((offered, "offered"), (min(done, offered), "done")):
            height = rate / most * _STRIP
            drawn.append(rect(x(start), top + _STRIP - height, x(end) - x(start), height, cls))
    return drawn


def _mean(found: Sequence[Tick], of: Literal["offered", "done", "failed"]) -> float:
    return fmean(getattr(tick, of) for tick in found)


def _table(known: list[tuple[Look, tuple[Tick, ...]]]) -> Table:
    """One row for each block: a row for each slice would bury the reader."""
    rows = []
    for look, found in known:
        for block in dict.fromkeys(tick.block for tick in found):
            of_block = [tick for tick in found if tick.block == block]
            rows.append((of_block[0].at_s, _row(look, block, of_block)))
    head = ("block", "arm", "at", "slowest", "offered", "answered", "failed")
    return Table(head=head, rows=tuple(row for _, row in sorted(rows, key=lambda pair: pair[0])))


def _row(look: Look, block: int, found: Sequence[Tick]) -> tuple[str, ...]:
    return (
        str(block),
        look.label,
        f"{found[0].at_s:.1f} s",
        numbers.milliseconds(_slowest(found)),
        f"{_mean(found, 'offered'):.0f}/s",
        f"{_mean(found, 'done'):.0f}/s",
        numbers.share(_mean(found, "failed")),
    )
