"""How much the app's event loop is late for its own timers: what a call that blocks does to all other requests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from threading import Event
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.model.stack import Quantity, Running

TIMEOUT_S = 5
STILL_S = 0.2  # for which the app is stopped, to see that it counts
LEAST_MS = 120.0  # of that has to be counted: a timer is set anew every few milliseconds
_LATE = re.compile(r"^shop_loop_late_seconds_total (\S+)$", re.MULTILINE)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class EventLoop:
    """The lateness of the app's event loop, which the app adds up. Of one process: whichever answers."""

    needs: ClassVar[frozenset[str]] = frozenset({"app", "pause"})
    lag_s: ClassVar[float] = 0.0
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "late_ms": Quantity(
            unit="ms",
            scale="difference",
            doc="Time by which the app's event loop was late for its timers: for so long nobody was served",
        ),
    }

    def read(self, running: Running) -> Mapping[str, float]:
        """``{"late_ms": ...}`` since the app started. Raises EnvironmentFailed where it does not tell."""
        from urllib.request import ProxyHandler, build_opener

        url = f"{running.url}/metrics"
        try:
            # Loopback only: a proxy from the environment must not stand between the lab and its own app.
            with build_opener(ProxyHandler({})).open(url, timeout=TIMEOUT_S) as answer:
                told = _LATE.search(answer.read().decode(errors="replace"))
        except OSError as error:
            raise _untold(url, str(error), running) from error
        if told is None:
            raise _untold(url, "its metrics have no shop_loop_late_seconds_total", running)
        return {"late_ms": float(told[1]) * 1e3}

    def preflight(self, running: Running) -> str:
        """The app is stopped for a known time, and has to count it."""
        before = self.read(running)["late_ms"]
        running.pause("app")
        try:
            Event().wait(STILL_S)
        finally:
            running.resume("app")
        counted = self.read(running)["late_ms"] - before
        if counted >= LEAST_MS:
            return ""
        return f"the app was stopped for {STILL_S * 1e3:.0f} ms and counted {counted:.0f} ms"


def _untold(url: str, why: str, running: Running) -> EnvironmentFailed:
    return EnvironmentFailed(
        what="the app did not tell how late its event loop is",
        where=url,
        why=f"{why}\n{running.logs('app', 5)}",
        do="look at the log of the app in the run folder",
    )
