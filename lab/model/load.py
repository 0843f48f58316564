"""What a load generator is asked and what it answers: one order for a block, one block of samples.

Pure data. Every moment is an absolute CLOCK_MONOTONIC reading in nanoseconds, which all processes of one
machine share.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as checked_dataclass

from lab.model.dose import Dose
from lab.model.histogram import Histogram
from lab.model.scenario import Arrivals, Request, Stage

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
        ("key", "<i8"),  # which thing it was about; -1: its request does not say
        ("version", "<i8"),  # of that thing, as the answer told; -1: none was seen
        ("backend", "<u2"),  # 1 + index into ``BlockLoad.backends``; 0: none was seen
        ("tries", "u1"),  # how often it was asked; 0: never
    ]
)
"""One request. Requests are in order of ``due_ns``. The samples of older runs lack the last four.

Where clients try again, ``sent_ns`` is of the first try and all after it is of the last one."""

NONE_SEEN = -1
MOST_BACKENDS = 1000  # an app that names another with each answer would fill the memory with them


class Failure(IntEnum):
    """How a request failed: the ``error`` column of the samples."""

    NONE = 0
    REFUSED = 1  # nobody listened
    RESET = 2  # the connection ended before the answer was complete
    TIMEOUT = 3  # no complete answer within the time-out after the due moment
    PROTOCOL = 4  # what came back is not HTTP
    STATUS = (
        5  # answered with a status that was not expected: 400 or above, unless the request says otherwise
    )
    LOCAL = 6  # this machine had no port, descriptor or memory left: no fault of the app
    UNREACHABLE = 7  # no way to the host, or no such name
    CONTENT = 8  # answered in full, without the text that was expected in it
    JOURNEY = 9  # the code of a user's journey raised


Executor = Literal["fast", "flow", "closed"]
"""How requests are made.

``fast``: planned moments, no greenlet for each; plain HTTP. ``flow``: planned moments, a greenlet for each
arrival, Locust's own HTTP client; whatever a ``User`` class can do. ``closed``: users who each wait for their
answer before they ask again; kept to show what that hides.
"""


@checked_dataclass(frozen=True, config=_STRICT, kw_only=True)
class Hot:
    """One ``value`` that a ``share`` (0 to 1) of the requests named ``request`` has for a placeholder, whatever
    its law. The others, and all else in the list, stay as they are without it."""

    request: str
    placeholder: str
    value: int
    share: float


@checked_dataclass(frozen=True, config=_STRICT, kw_only=True)
class Retry:
    """What clients do whose request failed: ``after_s`` seconds later they ask again, up to ``tries`` times in all.
    They give a try up ``timeout_s`` seconds after it was sent."""

    tries: int
    after_s: float
    timeout_s: float


@checked_dataclass(frozen=True, config=_STRICT, kw_only=True)
class BlockOrder:
    """One block of load against one arm.

    ``url`` is the app's base address without a trailing slash, ``start_ns`` an absolute CLOCK_MONOTONIC
    moment (give the driver ``Open.lead_s`` to prepare), ``timeout_s`` seconds from the due moment. Equal
    ``seed``, ``stages``, ``arrivals``, ``requests`` and ``hot`` make equal request lists.

    ``connections`` caps the connections open at once. With ``retry`` a request that failed is asked again, by
    *fast* alone; it stays one request, from its due moment to its first good answer or its last failure.
    ``executor`` None: *fast*, and *flow* for what fast cannot do. With a ``locustfile`` each arrival is one
    journey of one of its ``User`` classes (those named in ``user_classes``, else all of them by weight) and
    ``requests`` is empty. ``users`` is for *closed* alone, where ``stages`` give nothing but the length.
    """

    n: int
    url: str
    start_ns: int
    stages: tuple[Stage, ...]
    arrivals: Arrivals
    seed: int
    timeout_s: float
    requests: tuple[Request, ...]
    samples: Path  # the .npy file that the driver writes
    connections: int = 512
    executor: Executor | None = None
    locustfile: Path | None = None
    user_classes: tuple[str, ...] = ()
    users: int = 0
    hot: tuple[Hot, ...] = ()
    retry: Retry | None = None

    @property
    def length_s(self) -> float:
        return sum(stage.length for stage in self.stages)

    @property
    def end_ns(self) -> int:
        return self.start_ns + int(self.length_s * 1e9)

    @property
    def expected(self) -> float:
        """How many arrivals the stages amount to, on average."""
        return sum(stage.arrivals for stage in self.stages)


@checked_dataclass(frozen=True, config=_STRICT, kw_only=True)
class GeneratorChecks:
    """What the generator says of itself in one block, for the validity rules of the judge.

    ``executor`` says how requests were made and ``because`` why not by *fast*. The schedule error is how
    long after its due moment the driver took a request up, waiting for one of the capped connections
    excluded. ``idle_connections`` is False when a request had to wait for one: then the app held them all
    and lateness is the app's. ``achieved`` is the share of asked requests that were sent before their
    time-out, ones that this machine could not send excluded. ``cpu_share_max`` is the largest share of one
    core in any stretch of about 250 ms. ``own_delay_p99_s`` is how much higher the 99th percentile counted
    from the due moments is than counted from the sends. ``workers`` took part, ``workers_lost`` of them did
    not come back; then the figures are those of the others. ``kept_off`` are hosts (at most ten)
    that the load asked and may not: what asked them failed as unreachable.
    """

    asked: int  # planned arrivals; in a closed block, requests made
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
    recorded: int  # rows in the samples: those of ``asked``, but a journey makes any number of requests
    counted: int  # requests that Locust's own statistics gained; other than ``recorded`` only by a defect
    executor: Executor = "fast"
    because: str = ""
    connections: int = 512
    own_delay_p99_s: float = 0.0
    workers: int = 1
    workers_lost: int = 0
    kept_off: tuple[str, ...] = ()

    @property
    def scheduled(self) -> bool:
        """Whether requests had planned moments to be late for: closed users ask when they are done waiting."""
        return self.executor != "closed"


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """Who makes the requests: one process, or ``workers`` of this machine and ``join`` from elsewhere, which find
    the run at ``bind`` (HOST:PORT; port 0: a free one)."""

    workers: int = 0
    join: int = 0
    bind: str = "127.0.0.1:0"

    @property
    def total(self) -> int:
        return self.workers + self.join


ALONE = Sharing()


@dataclass(frozen=True, kw_only=True)
class BlockLoad:
    """The load of one block as it happened. ``samples`` has the dtype ``SAMPLE``.

    ``response`` counts every request from its due moment, ``service`` those that were sent from their send, as
    the generator added them up: where workers shared the load, each counted its own. ``backends`` are the
    instances that said they answered, at most ``MOST_BACKENDS``.
    """

    n: int
    samples: Samples
    names: tuple[str, ...]
    checks: GeneratorChecks
    schedule_sha256: str
    response: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)
    backends: tuple[str, ...] = ()

    @property
    def latency_s(self) -> npt.NDArray[np.float64]:
        """Seconds from the due moment to the end of each request, failed ones included."""
        return np.asarray((self.samples["done_ns"] - self.samples["due_ns"]) / 1e9, dtype=np.float64)

    @property
    def failed(self) -> npt.NDArray[np.bool_]:
        """Which requests failed, in whatever way."""
        return np.asarray(self.samples["error"] != Failure.NONE, dtype=np.bool_)


class Shaping(Protocol):
    """A fault that changes what is asked, not the stack: pure, applied to the orders of faulty arms."""

    def shape(self, order: BlockOrder) -> BlockOrder:
        """The order with the fault. LabError where this load has nothing that it could change."""

    def dose_of(self, order: BlockOrder, load: BlockLoad) -> tuple[Dose, ...]:
        """What the samples of a block show that was asked by ``order``, as ``shape`` made it."""


class Load(Protocol):
    """A load generator that stays up for the whole run and takes one block order after another."""

    def lead_s(self, arrivals: float) -> float:
        """Seconds between an order of so many arrivals and its start, so that its plan is made by then."""

    def begin(self, order: BlockOrder) -> None: ...

    def finish(self, deadline_s: float) -> BlockLoad: ...
