"""What happens inside a block, over all blocks of an arm: the moment of the fault and what follows."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from lab.model.report import Moment
from lab.report import numbers
from lab.report.arms import Look
from lab.report.svg.draw import NARROW, Chart, Table, chart, line, marker, path, text
from lab.report.svg.scale import Linear, Log, around

_HEIGHT = 270


def profile(
    profiles: Mapping[str, tuple[Moment, ...]], looks: Mapping[str, Look], fault_at_s: float, fault: str
) -> Chart | None:
    """None where no samples were kept. ``fault_at_s`` is the distance of the fault from a block's start."""
    known = [(looks[arm], profiles[arm]) for arm in looks if profiles.get(arm)]
    if not known:
        return None
    said = " ".join(
        f"{look.label}: at worst {numbers.milliseconds(max(m.p95_ms for m in found))}."
        for look, found in known
    )
    title = "Latency inside a block, 95th percentile over all blocks"
    return chart("profile", title, said, _table(known), lambda w: _draw(known, fault_at_s, fault, w))


def _draw(
    known: list[tuple[Look, tuple[Moment, ...]]], fault_at_s: float, fault: str, width: int
) -> tuple[float, list[Markup]]:
    left, right, top, bottom = 58, width - 14, 30, _HEIGHT - 40
    end = max(found[-1].offset_s for _, found in known)
    x = Linear(0.0, end * 1.02, left, right, 5 if width == NARROW else 8)
    y = Log(*around((m.p95_ms for _, found in known for m in found), log=True), bottom, top, 6)
    drawn = []
    for tick in y.ticks():
        drawn += [
            line(left, y(tick), right, y(tick), "grid"),
            text(left - 8, y(tick) + 4, numbers.milliseconds(tick), "tick", "end"),
        ]
    for tick in x.ticks():
        drawn += [
            line(x(tick), bottom, x(tick), bottom + 5, "axis"),
            text(x(tick), bottom + 19, f"{tick * 1e3:.0f} ms", "tick", "middle"),
        ]
    drawn += [
        line(left, bottom, right, bottom, "axis"),
        line(x(fault_at_s), top - 6, x(fault_at_s), bottom, "strike"),
        text(x(fault_at_s) + 6, top - 9, fault, "label bad"),
    ]
    for look, found in known:
        drawn.append(path([(x(m.offset_s), y(m.p95_ms)) for m in found], look.css, look.dash))
        drawn += [marker(look.shape, x(m.offset_s), y(m.p95_ms), 4, look.css, _tip(look, m)) for m in found]
    return _HEIGHT - 8, drawn


def _tip(look: Look, moment: Moment) -> str:
    within = numbers.milliseconds(moment.p95_ms)
    return f"{look.label}, {moment.offset_s * 1e3:.0f} ms after the start: 95 % within {within}"


def _table(known: list[tuple[Look, tuple[Moment, ...]]]) -> Table:
    offsets = sorted({m.offset_s for _, found in known for m in found})
    rows = []
    for offset in offsets:
        by_arm = [next((m.p95_ms for m in found if m.offset_s == offset), None) for _, found in known]
        rows.append((f"{offset * 1e3:.0f} ms", *(numbers.milliseconds(value) for value in by_arm)))
    return Table(head=("after the start", *(look.label for look, _ in known)), rows=tuple(rows))
