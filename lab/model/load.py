"""What a load generator is asked and what it answers: one order for a block, one block of samples.

Pure data. Every moment is an absolute CLOCK_MONOTONIC reading in nanoseconds, which all processes of one
machine share.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as checked_dataclass

from lab.model.scenario import Request

_STRICT = ConfigDict(extra="forbid")


Samples = npt.NDArray[np.void]

SAMPLE = np.dtype(
    [
        ("due_ns", "<i8"),  # the planned moment; latency counts from here
        ("sent_ns", "<i8"),  # the driver took the request up (before it connects); 0: never
        ("done_ns", "<i8"),  # last byte of the answer, or the moment of failure
        ("status", "<i2"),  # HTTP status; 0 without an answer
        ("bytes", "<i4"),  # of the answer's body
        ("name", "<u2"),  # index into ``BlockLoad.names``
        ("error", "u1"),  # a ``Failure``
    ]
)
"""One request. Requests are in order of ``due_ns``."""


class Failure(IntEnum):
    """How a request failed: the ``error`` column of the samples."""

    NONE = 0
    REFUSED = 1  # nobody listened
    RESET = 2  # the connection ended before the answer was complete
    TIMEOUT = 3  # no complete answer within the time-out after the due moment
    PROTOCOL = 4  # what came back is not HTTP
    STATUS = 5  # answered with a status of 400 or above
    LOCAL = 6  # this machine had no port, descriptor or memory left: no fault of the app


@checked_dataclass(frozen=True, config=_STRICT, kw_only=True)
class BlockOrder:
    """One block of load against one arm.

    ``url`` is the app's base address without a trailing slash, ``start_ns`` an absolute CLOCK_MONOTONIC
    moment (give the driver 50 ms to prepare), ``length_s`` and ``timeout_s`` seconds, ``rate`` requests per
    second. Equal ``seed``, ``rate``, ``length_s``, ``arrivals`` and ``requests`` make equal request lists.
    """

    n: int
    url: str
    start_ns: int
    length_s: float
    rate: float
    arrivals: Literal["poisson", "constant"]
    seed: int
    timeout_s: float
    requests: tuple[Request, ...]
    samples: Path  # the .npy file that the driver writes


@checked_dataclass(frozen=True, config=_STRICT, kw_only=True)
class GeneratorChecks:
    """What the generator says of itself in one block, for the validity rules of the judge.

    The schedule error is how long after its due moment the driver took a request up, waiting for one of
    the capped connections excluded. ``idle_connections`` is False when a request had to wait for one: then
    the app held them all and lateness is the app's. ``achieved`` is the share of asked requests that were
    sent before their time-out, ones that this machine could not send excluded. ``cpu_share_max`` is the
    largest share of one core in any stretch of about 250 ms.
    """

    asked: int
    sent: int
    answered: int
    schedule_error_p50_s: float
    schedule_error_p99_s: float
    cpu_share_max: float
    idle_connections: bool
    achieved: float
    cpu_s: float  # of the driver, from the first due moment until everything was answered
    queued: int  # had to wait for a connection
    retried: int  # sent again because a kept-alive connection turned out to be closed
    counted: int  # requests that Locust's own statistics gained; other than ``asked`` only by a defect


@dataclass(frozen=True, kw_only=True)
class BlockLoad:
    """The load of one block as it happened. ``samples`` has the dtype ``SAMPLE``."""

    n: int
    samples: Samples
    names: tuple[str, ...]
    checks: GeneratorChecks
    schedule_sha256: str

    @property
    def latency_s(self) -> npt.NDArray[np.float64]:
        """Seconds from the due moment to the end of each request, failed ones included."""
        return np.asarray((self.samples["done_ns"] - self.samples["due_ns"]) / 1e9, dtype=np.float64)

    @property
    def failed(self) -> npt.NDArray[np.bool_]:
        """Which requests failed, in whatever way."""
        return np.asarray(self.samples["error"] != Failure.NONE, dtype=np.bool_)


class Load(Protocol):
    """A load generator that stays up for the whole run and takes one block order after another."""

    def begin(self, order: BlockOrder) -> None: ...

    def finish(self, deadline_s: float) -> BlockLoad: ...
