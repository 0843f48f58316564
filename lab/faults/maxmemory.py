"""The cache is too small for its data: Redis evicts what the app still needs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.faults._noted import Noted
from lab.faults._redis import asked, set_to, settings
from lab.model.dose import Dose
from lab.model.stack import Running
from lab.model.units import Bytes, Share

Policy = Literal[
    "allkeys-lru", "allkeys-lfu", "allkeys-random",
    "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl",
]  # fmt: skip
_NAMES = ("maxmemory", "maxmemory-policy")
_SLACK = 0.05  # of the limit: buffers of clients come and go
_LOOK_S, _LOOKS_S = 0.02, 1.0


@dataclass(frozen=True, kw_only=True)
class _Noted:
    """Parameters before and as they were to be, and the keys that Redis had evicted before."""

    before: Mapping[str, str]
    wanted: Mapping[str, str]
    evicted: int

    @property
    def limit(self) -> int:
        return int(self.wanted["maxmemory"])


_NOTED: Noted[_Noted] = Noted()


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Maxmemory:
    """Limit Redis to ``bytes`` in all, or its data to ``share`` of what it holds now; it evicts by ``policy``.

    Healed by the limit and the policy as they were; what was evicted the app stores anew.
    """

    bytes: Bytes | None = None
    share: Share | None = None
    policy: Policy = "allkeys-lru"

    needs: ClassVar[frozenset[str]] = frozenset({"redis"})
    event: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        if (self.bytes is None) == (self.share is None):
            raise ValueError("write exactly one of bytes (20MB) and share (50%) of the data that is there")
        if self.bytes is not None and self.bytes < 1:
            raise ValueError("0 is no limit to Redis: write at least 1B")
        if self.share is not None and not 0 <= self.share < 1:
            raise ValueError("nothing is evicted unless the share is below 100%")

    @property
    def target(self) -> str:
        return "memory of redis"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"config": parameters as they are}``."""
        return {"config": settings(running, _NAMES)}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Set the limit, yield ``{"maxmemory": bytes, "policy": policy}``, set back what is still so."""
        with asked(running, "read the memory of Redis") as client:
            limit = self._limit(client.info("memory"))
            evicted = int(client.info("stats")["evicted_keys"])
        wanted = {"maxmemory": str(limit), "maxmemory-policy": self.policy}
        before = settings(running, _NAMES)
        with set_to(running, wanted):
            _NOTED.put(running, self.target, _Noted(before=before, wanted=wanted, evicted=evicted))
            yield {"maxmemory": limit, "policy": self.policy}

    def _limit(self, memory: Mapping[str, Any]) -> int:
        if self.bytes is not None:
            return int(self.bytes)
        assert self.share is not None
        return int(memory["used_memory"] - (1 - self.share) * memory["used_memory_dataset"])

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """Which parameters Redis has from the fault and not from before, the keys that it evicted, and its
        memory; it evicts in the background, so up to a second later."""
        noted = _NOTED.of(running, self.target)
        limit = 0 if noted is None else noted.limit
        told: tuple[int | None, ...] = (None, None, None)
        if noted is not None and running.alive("redis"):
            told = _measured(running, noted)
        on, evicted, used = told
        return (
            Dose(what="parameters set", unit="of 2", asked=1, delivered=on, counts="at-least"),
            Dose(what="keys evicted", unit="keys", asked=1, delivered=evicted, counts="at-least"),
            Dose(
                what="memory of redis",
                unit="bytes",
                asked=limit,
                delivered=used,
                slack=_SLACK * limit,
                counts="at-most",
            ),
        )


def _measured(running: Running, noted: _Noted) -> tuple[int, int, int]:
    """Parameters still set; keys evicted since, and bytes used, once they are within the limit that stands or
    the time is over."""
    now = settings(running, _NAMES)
    on = sum(now[name] == noted.wanted[name] != noted.before[name] for name in _NAMES)
    last, waiting = time.monotonic() + _LOOKS_S, threading.Event()
    while True:
        with asked(running, "read what Redis evicted") as client:
            used = int(client.info("memory")["used_memory"])
            evicted = max(0, int(client.info("stats")["evicted_keys"]) - noted.evicted)
        within = evicted and used <= noted.limit * (1 + _SLACK)
        if within or not on or time.monotonic() > last:
            return on, evicted, used
        waiting.wait(_LOOK_S)
