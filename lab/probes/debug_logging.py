"""What the live app does, in its own words: its level set to DEBUG for a moment, and back."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Evidence, Running
from lab.probes._web import TIMEOUT_S, from_app
from lab.probes._window import Lines, Window, shortened

_KEPT = 4000  # lines of the log on either side


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class DebugLogging:
    """``POST path?seconds=`` to the app, which sets its level back itself. The last ``lines`` logged meanwhile."""

    path: str = "/debug/log-level"
    window: Window = 1.0
    lines: Lines = 40

    needs: ClassVar[frozenset[str]] = frozenset({"app"})

    def capture(self, running: Running) -> Evidence:
        """The new lines. Raises EnvironmentFailed where the app does not offer it."""
        before = {service: _log(running, service) for service in running.instances}
        asked = f"{self.path}?seconds={self.window:g}"
        answer = from_app(running, asked, method="POST", timeout_s=self.window + TIMEOUT_S)
        new = [line for service, old in before.items() for line in since(old, _log(running, service))]
        shown = [shortened(line, 240) for line in new[-self.lines :]]
        return Evidence(
            title="Log of the app at DEBUG",
            command=f"curl -s -X POST '{running.url}{asked}'; tail -n {self.lines} app.log",
            text="\n".join([answer, *shown, f"{len(shown)} of {len(new)} new lines"]),
            kind="debug-logging",
        )


def _log(running: Running, service: str) -> list[str]:
    return running.logs(service, _KEPT).splitlines()


def since(old: list[str], new: list[str]) -> list[str]:
    """The lines of ``new`` after those of ``old``: all of them where none of it is left."""
    if not old:
        return new
    last = next((n for n in range(len(new) - 1, -1, -1) if new[n] == old[-1]), -1)
    return new[last + 1 :]
