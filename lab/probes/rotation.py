"""What became of the requests at the balancer, and how often it took an instance out of the rotation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Quantity, Running
from lab.probes._balancer import status

PREFLIGHT = 20
_ASKED_S = 5


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Rotation:
    """Counters of the balancer, over all of its backends."""

    needs: ClassVar[frozenset[str]] = frozenset({"app", "balancer"})
    lag_s: ClassVar[float] = 0.0
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "picked": Quantity(
            unit="requests", scale="difference", doc="Requests sent to a backend, each further try among them"
        ),
        "failed": Quantity(
            unit="requests", scale="difference", doc="Requests that got no whole answer from a backend"
        ),
        "transitions": Quantity(
            unit="transitions",
            scale="difference",
            doc="Times that a backend was taken out of the rotation or back in",
        ),
        "ejections": Quantity(
            unit="ejections", scale="difference", doc="Times that a backend was taken out of the rotation"
        ),
    }

    def read(self, running: Running) -> Mapping[str, float]:
        """Totals since the balancer started. Raises EnvironmentFailed."""
        backends = status(running)["backends"]
        return {name: float(sum(backend[name] for backend in backends)) for name in self.quantities}

    def preflight(self, running: Running) -> str:
        """Send a known number of requests: so many more were picked, but for those that failed."""
        before = self.read(running)
        answered = sum(_answered(running) for _ in range(PREFLIGHT))
        after = self.read(running)
        counted = (after["picked"] - before["picked"]) - (after["failed"] - before["failed"])
        return "" if counted == answered else f"{answered} requests were answered, {counted:.0f} were counted"


def _answered(running: Running) -> bool:
    """By an instance, which says so, and not by the balancer on behalf of one."""
    try:
        with build_opener(ProxyHandler({})).open(f"{running.url}/ready", timeout=_ASKED_S) as answer:
            return "x-served-by" in answer.headers
    except HTTPError as error:
        return "x-served-by" in error.headers
    except OSError:
        return False
