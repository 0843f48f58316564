"""How the requests that wait are spread over the instances behind the balancer, and how many of those take part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.model.stack import Gauge, Running
from lab.probes._balancer import status


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Backends:
    """The balancer's own count of its backends, sampled while the load is on."""

    needs: ClassVar[frozenset[str]] = frozenset({"app", "balancer"})
    gauges: ClassVar[Mapping[str, Gauge]] = {
        "in_flight": Gauge(
            unit="requests",
            scale="difference",
            doc="The most that waited for one backend at one moment",
            reading="busiest",
            statistic="peak",
        ),
        "spread": Gauge(
            unit="requests",
            scale="difference",
            doc="How many more wait for the busiest backend than for the idlest, on average",
            reading="spread",
            statistic="mean",
        ),
        "out": Gauge(
            unit="backends",
            scale="difference",
            doc="The most that were out of rotation at one moment",
            reading="out",
            statistic="peak",
        ),
        "in_rotation": Gauge(
            unit="backends",
            scale="difference",
            doc="How many were in rotation, on average",
            reading="in_rotation",
            statistic="mean",
        ),
    }

    def sample(self, running: Running) -> Mapping[str, float]:
        """Requests and backends of this moment. Raises EnvironmentFailed where the balancer does not answer."""
        told = status(running)
        waiting = [float(backend["in_flight"]) for backend in told["backends"]]
        return {
            "busiest": max(waiting),
            "spread": max(waiting) - min(waiting),
            "out": float(len(waiting) - told["in_rotation"]),
            "in_rotation": float(told["in_rotation"]),
        }

    def preflight(self, running: Running) -> str:
        """The balancer knows as many backends as the stack has instances."""
        try:
            known = len(status(running)["backends"])
        except EnvironmentFailed as failed:
            return failed.what
        have = len(running.instances)
        return "" if known == have else f"the balancer knows {known} backends, the stack has {have} instances"
