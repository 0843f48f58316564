"""What passes between the lab and the load driver beside the order itself: the driver's words.

Pure data; both sides import it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as checked_dataclass

from lab.model.load import SAMPLE, BlockLoad, BlockOrder, Failure, GeneratorChecks, Samples

__all__ = [
    "ORDERS", "SAMPLE", "WORDS", "BlockDone", "BlockFailed", "BlockLoad", "BlockOrder", "DriverReady", "Failure",
    "GeneratorChecks", "Samples", "Word",
]  # fmt: skip

_STRICT = ConfigDict(extra="forbid")

Scheduling = Literal["realtime", "raised", "ordinary"]


@checked_dataclass(frozen=True, config=_STRICT, kw_only=True)
class DriverReady:
    """The driver's first word. ``import_s``: start and imports; ``start_s``: then to Locust's first user."""

    pid: int
    locust: str
    import_s: float
    start_s: float
    precise_timer: bool
    scheduling: Scheduling


@checked_dataclass(frozen=True, config=_STRICT, kw_only=True)
class BlockDone:
    """The driver's word that block ``n`` is drained and its samples lie on disk."""

    n: int
    names: tuple[str, ...]
    checks: GeneratorChecks
    schedule_sha256: str


@checked_dataclass(frozen=True, config=_STRICT, kw_only=True)
class BlockFailed:
    """The driver's word that it could not run block ``n``."""

    n: int
    why: str
    trace: str


Word = DriverReady | BlockDone | BlockFailed

ORDERS: TypeAdapter[BlockOrder] = TypeAdapter(BlockOrder)
WORDS: TypeAdapter[DriverReady | BlockDone | BlockFailed] = TypeAdapter(Word)
