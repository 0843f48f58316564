"""How much memory a service holds, as the operating system counts it: what a leak makes grow."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Gauge, Running, ServiceName

SLOW_S = 0.25  # a reading that takes longer cannot be repeated often enough within a block


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Memory:
    """Anonymous memory of all processes of the service ``of``, sampled while the load is on."""

    of: ServiceName = "app"

    needs: ClassVar[frozenset[str]] = frozenset({"app"})
    gauges: ClassVar[Mapping[str, Gauge]] = {
        "slope": Gauge(
            unit="MB/1000 requests",
            scale="difference",
            doc="Growth for each 1,000 requests answered; below zero where memory is given back",
            reading="anonymous",
            statistic="slope",
        ),
        "peak": Gauge(
            unit="MB", scale="ratio", doc="The most that was held", reading="anonymous", statistic="peak"
        ),
    }

    def sample(self, running: Running) -> Mapping[str, float]:
        """MB of a million bytes, without pages of files and shared segments; nothing where it is down."""
        held_mb = running.memory_mb(self.of)
        return {"anonymous": held_mb} if held_mb > 0 else {}

    def preflight(self, running: Running) -> str:
        """Read twice: both have to be above zero, and soon enough for a block."""
        begun = perf_counter()
        read = [running.memory_mb(self.of) for _ in range(2)]
        each_s = (perf_counter() - begun) / 2
        if min(read) <= 0:
            return f"the memory of {self.of} read as {min(read):g} MB"
        return "" if each_s <= SLOW_S else f"one reading of the memory of {self.of} takes {each_s:.1f} s"
