"""How much CPU time each service uses, as the operating system counts it."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import ClassVar, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Quantity, Running, ServiceName
from lab.probes import _asking

PREFLIGHT_ROWS = 300_000
STEP_MS = 20.0  # two of the steps in which some kernels count


def _of(whose: str, scale: Literal["ratio", "difference"]) -> Quantity:
    return Quantity(unit="ms", scale=scale, doc=f"CPU time that {whose} used, user and system")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Cpu:
    """CPU time of all processes of each service, with those that have ended and what runs beside it."""

    needs: ClassVar[frozenset[str]] = frozenset({"app", "postgres", "redis"})
    lag_s: ClassVar[float] = 0.0  # the kernel counts as it goes
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "app": _of("the app", "ratio"),
        "postgres": _of("Postgres", "difference"),  # a server that is not asked uses none
        "redis": _of("Redis", "difference"),
    }

    def read(self, running: Running) -> Mapping[str, float]:
        """Milliseconds since the arm was started."""
        services: tuple[ServiceName, ...] = ("app", "postgres", "redis")
        return {service: running.cpu_seconds(service) * 1e3 for service in services}

    def preflight(self, running: Running) -> str:
        """Have Postgres count rows: on one core, it cannot use more CPU time than passes, nor next to none."""
        with _asking.postgres(
            running
        ) as database:  # read while it is open: a process that ends is booked later
            before, begun = self.read(running)["postgres"], perf_counter()
            database.execute("SELECT count(*) FROM generate_series(1, %s)", [PREFLIGHT_ROWS])
            used = self.read(running)["postgres"] - before
            passed = (perf_counter() - begun) * 1e3
        if 0 < used <= passed + STEP_MS:
            return ""
        return f"Postgres computed for {passed:.0f} ms and is said to have used {used:.0f} ms of CPU time"
