"""Numbers as people read them: two or three significant digits, with their unit."""

from __future__ import annotations

from functools import partial
from math import isfinite

NONE = "–"
MINUS = "−"

_SCALED = ("ms", "bytes")  # their unit grows with the number
_NO_UNIT_IN_TEXT = ("calls", "count", "", "share")  # the name of the measure says it already


def plain(value: float | None, digits: int = 3) -> str:
    """``17.2``, ``248``, ``0.061``, ``12,400``; a dash for None and for what is not finite."""
    if value is None or not isfinite(value):
        return NONE
    if value == 0:
        return "0"
    sign = MINUS if value < 0 else ""
    size = float(f"{abs(value):.{digits - 1}e}")
    if size >= 10 ** (digits - 1):
        return f"{sign}{size:,.0f}"
    decimals = max(0, digits - 1 - _exponent(size))
    text = f"{size:.{min(decimals, 9)}f}".rstrip("0").rstrip(".")
    return f"{sign}{text}.0" if 1 <= size < 10 and "." not in text else sign + text


def _exponent(size: float) -> int:
    return int(f"{size:e}".partition("e")[2])


def share(value: float | None) -> str:
    """``14 %``, ``2.5 %``, ``0 %``."""
    if value is None or not isfinite(value):
        return NONE
    percent = value * 100
    rounded = f"{abs(percent):.0f}" if abs(percent) >= 9.95 else f"{abs(percent):.1f}".removesuffix(".0")
    if rounded == "0" and percent:
        rounded = f"{abs(percent):.2g}" if abs(percent) >= 0.001 else "<0.001"
    return f"{MINUS if percent < 0 else ''}{rounded} %"


def milliseconds(value: float | None) -> str:
    """``248 ms``, ``6.1 ms``, ``12.4 s`` from ten seconds on."""
    if value is None or not isfinite(value):
        return NONE
    if abs(value) >= 10_000:
        return f"{plain(value / 1e3)} s"
    return f"{plain(value, 2 if abs(value) < 100 else 3).removesuffix('.0')} ms"


def number(value: float | None, unit: str) -> str:
    """A value of a measure with its unit; shares become percentages."""
    if unit == "share":
        return share(value)
    if unit == "ms":
        return milliseconds(value)
    if unit == "bytes":
        return size(value, 3)
    text = plain(value)
    return text if unit in _NO_UNIT_IN_TEXT or value is None else f"{text} {unit}"


def bound(value: float | None, unit: str) -> str:
    """A number that somebody wrote down, such as a limit: ``1`` and not ``1.0``."""
    return number(value, unit).replace(".0 ", " ").removesuffix(".0")


def effect(value: float | None, scale: str, unit: str) -> str:
    """A comparison of two arms: ``× 0.061`` for quotients; ``−14 points``, ``−248 ms``, ``+0.2``."""
    if value is None or not isfinite(value):
        return NONE
    if scale == "ratio":
        return f"× {plain(value, 2)}"
    if unit == "share":
        return f"{_signed(value, share(value).removesuffix(' %'))} points"
    return _signed(value, number(value, unit if unit in _SCALED else ""))


def _signed(value: float, text: str) -> str:
    return f"+{text}" if value > 0 else text


def interval(low: float | None, high: float | None, scale: str, unit: str) -> str:
    """``0.058 to 0.066``, ``−12 s to −9.8 s``, with words where an end is open; empty where both are."""
    if low is None and high is None:
        return ""
    factor = 100 if scale == "difference" and unit == "share" else 1
    sign = _signed if scale == "difference" else _as_it_is
    known = [None if v is None or not isfinite(v) else v * factor for v in (low, high)]
    said = (
        partial(number, unit=unit) if scale == "difference" and unit in _SCALED else partial(plain, digits=2)
    )
    ends = [None if v is None else sign(v, said(v)) for v in known]
    if ends[0] is None:
        return f"at most {ends[1]}" if ends[1] is not None else ""
    return f"at least {ends[0]}" if ends[1] is None else f"{ends[0]} to {ends[1]}"


def _as_it_is(_: float, text: str) -> str:
    return text


def size(octets: float | None, digits: int = 2) -> str:
    """``412 bytes``, ``38 kB``, ``1.2 MB``; with three digits ``38.4 kB``."""
    if octets is None or not isfinite(octets):
        return NONE
    for step, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(octets) >= step:
            return f"{plain(octets / step, digits).removesuffix('.0')} {name}"
    return f"{plain(octets).removesuffix('.0')} bytes"
