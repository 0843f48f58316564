"""Elements, markers and the frame of a chart. All text is escaped here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi, sin

from markupsafe import Markup, escape

WIDE, NARROW = 880, 380


@dataclass(frozen=True)
class Table:
    """The numbers of a chart for those who do not see it, or want to copy them."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Chart:
    """One chart in two widths: text keeps its size on a phone because the chart is drawn for it."""

    key: str
    title: str
    wide: Markup
    narrow: Markup
    table: Table


def element(tag: str, *children: object, **attributes: object) -> Markup:
    """An SVG element. ``cls`` is its class, ``_`` in a name becomes ``-``; None is left out."""
    said = Markup("").join(
        Markup(' {}="{}"').format(_name(name), _value(value))
        for name, value in attributes.items()
        if value is not None
    )
    inside = Markup("").join(escape(child) for child in children)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), said, inside)


def _name(name: str) -> str:
    return "class" if name == "cls" else name if name == "viewBox" else name.rstrip("_").replace("_", "-")


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return str(value)


def text(x: float, y: float, said: str, cls: str = "", anchor: str | None = None) -> Markup:
    """Text with its base line at ``y``; ``anchor`` is start, middle or end."""
    return element("text", said, x=x, y=y, cls=cls or None, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, cls: str, dash: str | None = None) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, cls=cls, stroke_dasharray=dash)


def rect(x: float, y: float, width: float, height: float, cls: str, tip: str = "") -> Markup:
    inside = (element("title", tip),) if tip else ()
    return element("rect", *inside, x=x, y=y, width=max(0.0, width), height=max(0.0, height), cls=cls)


def path(points: list[tuple[float, float]], cls: str, dash: str | None = None) -> Markup:
    """A line through points, one decimal each."""
    steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return element("polyline", points=steps, cls=f"line {cls}", stroke_dasharray=dash)


def marker(shape: str, x: float, y: float, r: float, cls: str, tip: str = "") -> Markup:
    """A marker of about the same weight in every shape."""
    inside = (element("title", tip),) if tip else ()
    cls = f"mark {cls}"
    if shape == "circle":
        return element("circle", *inside, cx=x, cy=y, r=r, cls=cls)
    if shape == "square":
        side = r * 1.75
        return element("rect", *inside, x=x - side / 2, y=y - side / 2, width=side, height=side, cls=cls)
    corners, turn, size = _SHAPES[shape]
    angles = [turn + 2 * pi * n / corners for n in range(corners)]
    points = " ".join(f"{x + r * size * sin(a):.1f},{y - r * size * cos(a):.1f}" for a in angles)
    return element("polygon", *inside, points=points, cls=cls)


_SHAPES = {
    "diamond": (4, 0.0, 1.25),
    "triangle": (3, 0.0, 1.3),
    "nabla": (3, pi, 1.3),
    "pentagon": (5, 0.0, 1.15),
    "hexagon": (6, pi / 6, 1.1),
    "kite": (4, pi / 4, 1.2),
}


def cross(x: float, y: float, r: float, cls: str) -> Markup:
    return line(x - r, y - r, x + r, y + r, cls) + line(x - r, y + r, x + r, y - r, cls)


def svg(key: str, title: str, said: str, width: int, height: float, *children: Markup) -> Markup:
    """The chart itself: an image with a title and a description for those who do not see it."""
    name = f"{key}-{width}"
    return element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", said, id=f"{name}-desc"),
        *children,
        viewBox=f"0 0 {width} {height:.0f}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
        cls="wide" if width == WIDE else "narrow",
    )


def chart(
    key: str, title: str, said: str, table: Table, draw: Callable[[int], tuple[float, list[Markup]]]
) -> Chart:
    """Draw for both widths. ``draw`` gets a width and returns the height it needs, and the elements."""
    drawn = []
    for width in (WIDE, NARROW):
        height, children = draw(width)
        drawn.append(svg(key, title, said, width, height, *children))
    return Chart(key, title, drawn[0], drawn[1], table)
