"""Functions of the live app by the time within them, as cProfile has them."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Evidence, Running
from lab.probes._web import TIMEOUT_S, from_app
from lab.probes._window import Lines, Window


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class CpuProfile:
    """``GET path?seconds=&top=&sort=`` of the app, which profiles its event loop meanwhile. Slows it down. Needs load.

    By time within a function and all that it calls, or, with ``sort: tottime``, within itself alone.
    """

    path: str = "/debug/profile"
    window: Window = 2.0
    top: Lines = 15
    sort: Literal["cumulative", "tottime"] = "cumulative"

    needs: ClassVar[frozenset[str]] = frozenset({"app"})

    def capture(self, running: Running) -> Evidence:
        """The table of pstats. Raises EnvironmentFailed where the app does not offer it."""
        asked = f"{self.path}?seconds={self.window:g}&top={self.top}&sort={self.sort}"
        return Evidence(
            title="CPU profile",
            command=f"curl -s '{running.url}{asked}'",
            text=from_app(running, asked, timeout_s=self.window + TIMEOUT_S).strip("\n"),
            kind="cpu-profile",
        )
