"""Where a live process spends its time, from the event loop down to the last call: a flame graph by py-spy."""

from __future__ import annotations

import re
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Evidence, Running
from lab.probes import _sampled
from lab.probes._processes import Several, serving
from lab.probes._window import Lines, Window, shortened

_TITLE = re.compile(r"<title>(?P<name>.*?) \((?P<samples>[\d,]+) samples?, (?P<share>[\d.]+)%\)</title>")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class FlameGraph:
    """The picture, an SVG to be opened in a browser, and its ``top`` widest frames as text. Needs load."""

    of: Several = None
    window: Window = 2.0
    top: Lines = 20

    needs: ClassVar[frozenset[str]] = frozenset({"app"})

    def capture(self, running: Running) -> Evidence:
        """Raises EnvironmentFailed without py-spy or the right to use it."""
        pid = serving(running, self.of)
        drawn = _sampled.recorded(pid, "flamegraph", self.window)
        widest = frames(drawn)[: self.top]
        lines = [f"{share:5.1f}%  {shortened(name, 110)}" for name, share in widest]
        return Evidence(
            title="Flame graph",
            command=" ".join(_sampled.command(pid, "flamegraph", "flame-graph.svg", self.window)),
            text="\n".join(lines) or "nothing ran while py-spy looked: send load meanwhile",
            kind="flame-graph",
            picture=drawn,
        )


def frames(drawn: str) -> list[tuple[str, float]]:
    """The frames of a flame graph with their percent of all samples, the widest first, each place in the code once."""
    from html import unescape

    widest: dict[str, float] = {}
    for found in _TITLE.finditer(drawn):
        name = unescape(found["name"])
        widest[name] = max(widest.get(name, 0.0), float(found["share"]))
    return sorted(widest.items(), key=lambda one: -one[1])
