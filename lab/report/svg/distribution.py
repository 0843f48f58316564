"""How many requests were answered within which time, the tail spread out so that it can be seen."""

from __future__ import annotations

from collections.abc import Mapping
from math import log10

from markupsafe import Markup

from lab.model.report import Curve
from lab.report import numbers
from lab.report.arms import Look
from lab.report.svg.draw import NARROW, Chart, Table, chart, line, marker, path, text
from lab.report.svg.scale import Log, around

_LEVELS = (0.0, 0.5, 0.9, 0.99, 0.999)
_NAMES = ("0 %", "50 %", "90 %", "99 %", "99.9 %")
_HEIGHT = 300


def distribution(curves: Mapping[str, Curve], looks: Mapping[str, Look]) -> Chart | None:
    """None where no samples were kept."""
    known = [(looks[arm], curves[arm]) for arm in looks if arm in curves]
    if not any(curve.points for _, curve in known):
        return None
    said = " ".join(
        f"{look.label}: half within {numbers.milliseconds(curve.p50_ms)}, "
        f"99 % within {numbers.milliseconds(curve.p99_ms)}."
        for look, curve in known
    )
    title = "Share of requests answered within a time"
    return chart("distribution", title, said, _table(known), lambda width: _draw(known, width))


def _spread(share: float) -> float:
    """0 at none, 1 at 90 %, 2 at 99 %: each step is a tenth of what is left."""
    return -log10(max(1 - share, 0.0005))


def _draw(known: list[tuple[Look, Curve]], width: int) -> tuple[float, list[Markup]]:
    narrow = width == NARROW
    left, right, top, bottom = 54, width - 14, 14, _HEIGHT - 40
    low, high = around((ms for _, curve in known for ms, _ in curve.points), log=True, margin=0.03)
    x = Log(low, high, left, right, 5 if narrow else 10)
    highest = max(_spread(share) for _, curve in known for _, share in _kept(curve))
    drawn = []

    def y(share: float) -> float:
        return bottom - _spread(share) / max(highest, 1.0) * (bottom - top)

    for level, name in zip(_LEVELS, _NAMES, strict=True):
        if _spread(level) <= highest + 0.02:
            drawn += [
                line(left, y(level), right, y(level), "grid"),
                text(left - 8, y(level) + 4, name, "tick", "end"),
            ]
    for tick in x.ticks():
        drawn += [
            line(x(tick), bottom, x(tick), bottom + 5, "axis"),
            text(x(tick), bottom + 19, numbers.milliseconds(tick), "tick", "middle"),
        ]
    drawn.append(line(left, bottom, right, bottom, "axis"))
    for look, curve in known:
        drawn.append(path([(x(ms), y(share)) for ms, share in _kept(curve)], look.css, look.dash))
        for share in (0.5, 0.99):
            ms = next((ms for ms, reached in _kept(curve) if reached >= share), None)
            if ms is not None:
                drawn.append(marker(look.shape, x(ms), y(share), 5, look.css, _tip(look, share, ms)))
    return _HEIGHT - 8, drawn


def _kept(curve: Curve) -> list[tuple[float, float]]:
    """Up to the last share that this many requests can tell."""
    most = 1 - 1 / max(curve.requests, 2)
    return [(ms, min(share, most)) for ms, share in curve.points]


def _tip(look: Look, share: float, ms: float) -> str:
    return f"{look.label}: {share:.0%} within {numbers.milliseconds(ms)}"


def _table(known: list[tuple[Look, Curve]]) -> Table:
    return Table(
        head=("arm", "requests", "failed", "p50", "p95", "p99", "slowest"),
        rows=tuple(
            (
                look.label,
                f"{curve.requests:,}",
                f"{curve.failed:,}",
                numbers.milliseconds(curve.p50_ms),
                numbers.milliseconds(curve.p95_ms),
                numbers.milliseconds(curve.p99_ms),
                numbers.milliseconds(curve.max_ms),
            )
            for look, curve in known
        ),
    )
