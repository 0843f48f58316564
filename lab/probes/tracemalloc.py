"""Which lines of the live app allocate what is not given back."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Evidence, Running
from lab.probes._web import TIMEOUT_S, from_app
from lab.probes._window import Lines, Window


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Tracemalloc:
    """``GET path?seconds=&top=`` of the app, which has tracemalloc on meanwhile. Slows it down. Needs load."""

    path: str = "/debug/allocations"
    window: Window = 2.0
    top: Lines = 10

    needs: ClassVar[frozenset[str]] = frozenset({"app"})

    def capture(self, running: Running) -> Evidence:
        """Memory traced, its peak, and lines by size. Raises EnvironmentFailed where the app does not offer it."""
        asked = f"{self.path}?seconds={self.window:g}&top={self.top}"
        return Evidence(
            title="Allocations still held, by line",
            command=f"curl -s '{running.url}{asked}'",
            text=from_app(running, asked, timeout_s=self.window + TIMEOUT_S),
            kind="tracemalloc",
        )
