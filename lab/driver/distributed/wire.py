"""What passes between the driver and its workers, as Locust's own messages: their types and contents. Pure.

Contents travel as JSON text but for the samples, which are the bytes of rows.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from lab.driver.distributed.share import Share
from lab.driver.words import BlockOrder, GeneratorChecks, Scheduling
from lab.model.histogram import Histogram

_STRICT = ConfigDict(extra="forbid")

Kind = Literal[
    "lab-hello", "lab-refused", "lab-ping", "lab-pong", "lab-play", "lab-rows", "lab-played", "lab-failed"
]
ROWS_A_MESSAGE = 60_000  # 3 MB


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class Hello:
    """``lab-hello``: a worker is there. Equal ``clock``: it shares its monotonic clock with whoever has the same;
    equal ``network``: 127.0.0.1 is the same place for both."""

    pid: int
    host: str
    version: str
    forked: bool
    clock: str
    network: str
    precise_timer: bool
    scheduling: Scheduling


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class Ping:
    """``lab-ping``, and as ``lab-pong`` the same with the worker's clock."""

    sent_ns: int
    there_ns: int = 0


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class Play:
    """``lab-play``: a share of a block. The order is the whole block's, in the worker's clock.

    ``journeys`` is the text of the order's locustfile. ``relay`` is a port of the master's host that leads to
    the app, for a worker that cannot reach it otherwise; 0: none.
    """

    order: BlockOrder
    share: Share
    journeys: str | None = None
    relay: int = 0


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class SharePlayed:
    """``lab-played``: a share is drained and all its rows are sent. ``planned`` is the length of the whole
    schedule."""

    n: int
    names: tuple[str, ...]
    checks: GeneratorChecks
    schedule_sha256: str
    planned: int
    rows: int
    response: Histogram
    service: Histogram
    backends: tuple[str, ...] = ()


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class ShareFailed:
    """``lab-failed``: a share could not be played."""

    n: int
    why: str
    trace: str


HELLO = TypeAdapter(Hello)
PING = TypeAdapter(Ping)
PLAY = TypeAdapter(Play)
PLAYED = TypeAdapter(SharePlayed)
FAILED = TypeAdapter(ShareFailed)
