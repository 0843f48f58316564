"""What passes between the lab and the load driver beside the order itself: the driver's words.

Pure data; both sides import it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as checked_dataclass

from lab.model.histogram import Histogram
from lab.model.load import (
    MOST_BACKENDS,
    NONE_SEEN,
    SAMPLE,
    BlockLoad,
    BlockOrder,
    Executor,
    Failure,
    GeneratorChecks,
    Retry,
    Samples,
)

__all__ = [
    "MOST_BACKENDS", "NONE_SEEN", "ORDERS", "SAMPLE", "WORDS", "BlockDone", "BlockFailed", "BlockLoad",
    "BlockOrder", "DriverListens", "DriverReady", "Executor", "Failure", "GeneratorChecks", "Retry", "Samples", "Word",
]  # fmt: skip

_STRICT = ConfigDict(extra="forbid")

Scheduling = Literal["realtime", "raised", "ordinary"]


@checked_dataclass(frozen=True, config=_STRICT, kw_only=True)
class DriverReady:
    """The driver takes orders. ``import_s``: start and imports; ``start_s``: then to Locust's first user.

    With workers, the timer and the scheduling are the worst of theirs.
    """

    pid: int
    locust: str
    import_s: float
    start_s: float
    precise_timer: bool
    scheduling: Scheduling
    workers: int = 1


@checked_dataclass(frozen=True, config=_STRICT, kw_only=True)
class DriverListens:
    """The first word of a driver with workers, before they are there: where others can join (HOST:PORT), and the
    process ids of those on this machine."""

    master: str
    pids: tuple[int, ...]


@checked_dataclass(frozen=True, config=_STRICT, kw_only=True)
class BlockDone:
    """The driver's word that block ``n`` is drained and its samples lie on disk."""

    n: int
    names: tuple[str, ...]
    checks: GeneratorChecks
    schedule_sha256: str
    response: Histogram
    service: Histogram
    backends: tuple[str, ...] = ()


@checked_dataclass(frozen=True, config=_STRICT, kw_only=True)
class BlockFailed:
    """The driver's word that it could not run block ``n``."""

    n: int
    why: str
    trace: str


Word = DriverListens | DriverReady | BlockDone | BlockFailed

ORDERS: TypeAdapter[BlockOrder] = TypeAdapter(BlockOrder)
WORDS: TypeAdapter[DriverListens | DriverReady | BlockDone | BlockFailed] = TypeAdapter(Word)
