"""A block of planned requests under way: its books, whichever executor makes the requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from lab.driver.fold import Folding
from lab.driver.job import Job
from lab.driver.ledger import CpuMeter
from lab.driver.words import BlockOrder, Executor, GeneratorChecks, Samples


@dataclass
class Planned:
    """``launch`` and ``give_up`` are the executor's; the rest is the same for all that work by a plan."""

    order: BlockOrder
    job: Job
    executor: Executor
    launch: Callable[[int], None]
    give_up: Callable[[], None]
    _folding: Folding = field(init=False)

    def __post_init__(self) -> None:
        self._folding = Folding(self.job.ledger, self.job.names, self.order.requests)
        self.fire = self.launch  # not a method: one call less for each request

    def fold(self, stats: Any) -> int:
        return self._folding.into(stats)

    def checks(self, cpu: CpuMeter, counted: int) -> GeneratorChecks:
        found = self.job.ledger.checks(cpu, counted)
        return replace(found, executor=self.executor, connections=self.order.connections)

    def names(self) -> tuple[str, ...]:
        return tuple(request.name for request in self.order.requests)

    def backends(self) -> tuple[str, ...]:
        return self.job.backends()

    def samples(self) -> Samples:
        return self.job.samples()

    def end(self) -> None:
        self.give_up()
