"""Numbers as people read them: two or three significant digits, with their unit."""

from __future__ import annotations

from math import isfinite

_SPOKEN = {"s", "us", "MB", "MB/1000 requests"}  # a count's unit is in its measure's name
_STEPS = {
    "ms": ((10_000.0, 1e3, "s"), (0.0, 1.0, "ms")),
    "bytes": ((1e9, 1e9, "GB"), (1e6, 1e6, "MB"), (1e3, 1e3, "kB"), (0.0, 1.0, "bytes")),
}
"""From what size on a number of that unit is said in which other one, and how many of its own make one."""


def plain(number: float | None) -> str:
    """0, 0.034, 1.0, 1.04, 11.0, 248, 12,300."""
    if number is None or not isfinite(number):
        return "unknown"
    size = abs(number)
    if number == 0 or size >= 100:
        return f"{number:,.0f}"
    if size >= 10:
        return f"{number:.1f}"
    if size < 1:
        return f"{number:.2g}"
    text = f"{number:.2f}"
    return text.removesuffix("0")


def share(number: float | None) -> str:
    """A share from 0 to 1 in per cent: 16 %, 0.3 %."""
    if number is None or not isfinite(number):
        return "unknown"
    percent = number * 100
    text = (
        f"{percent:.0f}" if abs(percent) >= 10 or abs(percent - round(percent)) < 0.05 else f"{percent:.1f}"
    )
    return f"{'0' if text == '-0' else text} %"


def value(number: float | None, unit: str) -> str:
    """A measured value: shares in per cent, times and sizes with their unit, counts bare."""
    if number is None or not isfinite(number):
        return "unknown"
    if unit == "share":
        return share(number)
    size, spoken = _sized(number, unit)
    return f"{plain(size)}{spoken}"


def bound(number: float, unit: str) -> str:
    """A limit or tolerance, as short as it was written: 1, 5 %, 100 ms."""
    if unit == "share":
        return share(number)
    size, spoken = _sized(number, unit)
    return f"{size:g}{spoken}"


def _sized(number: float, unit: str) -> tuple[float, str]:
    """The number as it is said, and its unit behind a space: 12,000 bytes are 12 kB, a count has none."""
    for least, step, name in _STEPS.get(unit, ()):
        if abs(number) >= least:
            return number / step, f" {name}"
    return number, f" {unit}" if unit in _SPOKEN else ""


def times(number: float | None) -> str:
    """A measured quotient: 1.04x, 11.0x."""
    if number is not None and 0.1 <= abs(number) < 9.995:
        return f"{number:.2f}x"
    return f"{plain(number)}x" if number is not None else "unknown"


def factor(number: float) -> str:
    """A quotient that was decided beforehand, as short as it was written: 1.2x."""
    return f"{number:g}x"


def difference(number: float | None, unit: str) -> str:
    """A difference with its sign: -16 points for shares, else in the unit."""
    if number is None or not isfinite(number):
        return "unknown"
    text = share(abs(number)) if unit == "share" else value(abs(number), unit)
    text = text.replace("%", "point" if text == "1 %" else "points")
    return f"{'-' if number < 0 else '+'}{text}"


def blocks(number: int) -> str:
    return f"{number} block" if number == 1 else f"{number} blocks"
