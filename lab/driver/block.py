"""One block on its way through an executor: what the player gives it, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lab.driver.ledger import CpuMeter
from lab.driver.pacer import Pacer
from lab.driver.schedule import Schedule
from lab.driver.words import BlockOrder, GeneratorChecks, Samples


@dataclass(frozen=True, kw_only=True)
class Starting:
    """A block about to start. ``due_ns`` are the planned moments, ``environment`` is Locust's.

    The executor calls ``ended`` once, when nothing of the block is under way any more (never where nothing was
    due), and ``broke`` with a defect of the driver itself. Both may be called in the hub.
    """

    order: BlockOrder
    plan: Schedule
    due_ns: Sequence[int]
    environment: Any
    pacer: Pacer
    ended: Callable[[], None]
    broke: Callable[[BaseException], None]


class UnderWay(Protocol):
    """A block that an executor has begun."""

    def fire(self, i: int) -> None:
        """Arrival ``i`` is due. Called in the hub; does not block."""

    def fold(self, stats: Any) -> int:
        """Bring Locust's statistics up to date; how many requests of this block they have gained so far."""

    def checks(self, cpu: CpuMeter, counted: int) -> GeneratorChecks:
        """The generator's own figures, once everything has ended."""

    def names(self) -> tuple[str, ...]:
        """The names that the samples' column ``name`` points to."""

    def backends(self) -> tuple[str, ...]:
        """The instances that the samples' column ``backend`` points to."""

    def samples(self) -> Samples:
        """Every request, in order of ``due_ns``."""

    def end(self) -> None:
        """Give up what is still under way, and let go of what the block alone held."""


class Executor(Protocol):
    """One way of making requests. Lives as long as the driver."""

    def begin(self, block: Starting) -> UnderWay:
        """Make ready; may block. What it raises ends the block, not the driver."""
