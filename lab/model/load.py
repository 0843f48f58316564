"""What the runner asks of a load generator, and what it gets back. Times are CLOCK_MONOTONIC nanoseconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from lab.model.scenario import Request

if TYPE_CHECKING:
    import numpy as np

ERRORS = ("", "refused", "reset", "timeout", "protocol", "status")  # meaning of a sample's ``error``


@dataclass(frozen=True, kw_only=True)
class BlockOrder:
    """One block of load against one arm: requests due from ``start_ns`` for ``length_s``."""

    n: int
    url: str
    start_ns: int
    length_s: float
    rate: float
    arrivals: Literal["poisson", "constant"]
    seed: int
    timeout_s: float
    requests: tuple[Request, ...]
    path: Path  # where the samples of the block go


@dataclass(frozen=True, kw_only=True)
class GeneratorChecks:
    """What the generator says about itself in one block: seconds, and shares of one core."""

    asked: int
    sent: int
    answered: int
    schedule_error_p50_s: float
    schedule_error_p99_s: float
    cpu_share_max: float
    idle_connections: bool  # a connection was free whenever an arrival was due
    schedule_sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class BlockLoad:
    """Samples of one block: a structured array with ``due_ns, sent_ns, done_ns, status, bytes, name, error``."""

    samples: np.ndarray  # type: ignore[type-arg]
    names: tuple[str, ...]
    checks: GeneratorChecks


class Load(Protocol):
    """A load generator that stays up for the whole run and takes one block order after another."""

    def begin(self, order: BlockOrder) -> None: ...

    def finish(self, deadline_s: float) -> BlockLoad: ...

    def close(self) -> None: ...
