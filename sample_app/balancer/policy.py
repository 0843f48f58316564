"""What a balancing policy is, and the parts that policies are composed of.

A module below ``problems`` that decides where requests go offers, in place of routes, ``VARIANTS`` of
``(Backends) -> Policy``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count

from sample_app.balancer.backends import Backend, Backends
from sample_app.balancer.connections import Asked, Failed, Headers


@dataclass(frozen=True)
class Request:
    """What a policy sees of a request. ``tried`` are backends at which it has failed already."""

    method: str
    path: str
    headers: Headers = field(default_factory=list)
    tried: tuple[Backend, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a request fared at a backend: a ``status``, or 0 and ``failed``: refused, cut, timeout or client-gone."""

    status: int
    failed: str
    seconds: float


Pick = Callable[[Request], Backend | None]


def nothing_to_note(_backend: Backend, _outcome: Outcome) -> None:
    """Most policies learn nothing from the requests themselves."""


@dataclass(frozen=True)
class Policy:
    """``pick`` decides for each request; None where there is nobody to send it to, which is a 503.

    ``done`` hears how each fared. ``watch`` runs beside the requests for as long as the balancer does.
    A request that failed at one backend is sent to up to ``retries`` others, as ``pick`` decides: always
    where no connection was made, else only where it does no harm to do it twice (GET, HEAD, PUT, DELETE).
    """

    pick: Pick
    done: Callable[[Backend, Outcome], None] = nothing_to_note
    watch: Callable[[], Awaitable[None]] | None = None
    retries: int = 0


class RoundRobin:
    """Each in its turn, of those in rotation that have not been tried yet."""

    def __init__(self, backends: Backends) -> None:
        self._backends = backends
        self._turn = count()

    def __call__(self, request: Request) -> Backend | None:
        able = [backend for backend in self._backends.in_rotation() if backend not in request.tried]
        return able[next(self._turn) % len(able)] if able else None


@dataclass
class HealthChecks:
    """Ask every backend for ``path`` every ``every_s``; anything but a 2xx within ``timeout_s`` is a bad check.

    ``fall`` bad checks in a row take a backend out of the rotation, ``rise`` good ones bring it back.
    """

    backends: Backends
    path: str = "/ready"
    every_s: float = 0.1
    timeout_s: float = 0.05
    fall: int = 1
    rise: int = 1
    _row: dict[str, int] = field(default_factory=dict, init=False)  # checks in a row that say otherwise

    async def watch(self) -> None:
        """Until cancelled. The backends are asked side by side: one that hangs does not hold up the others."""
        async with asyncio.TaskGroup() as group:
            for backend in self.backends:
                group.create_task(self._watch(backend))

    async def _watch(self, backend: Backend) -> None:
        while True:
            await asyncio.sleep(self.every_s)
            self.note(backend, await self.check(backend))

    async def check(self, backend: Backend) -> str | None:
        """ "" where the backend is well, else what is wrong; None where this process itself stood still for so
        long that the check tells nothing of the backend."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        asked = Asked(b"GET", self.path.encode(), [(b"host", b"health"), (b"connection", b"close")])
        try:
            async with asyncio.timeout(self.timeout_s):
                status = (await backend.connections.ask_anew(asked)).status
        except TimeoutError:
            late = loop.time() - begun > 2 * self.timeout_s
            return None if late else f"no answer within {self.timeout_s * 1e3:g} ms"
        except Failed as failed:
            return str(failed)
        return "" if 200 <= status < 300 else f"HTTP {status}"

    def note(self, backend: Backend, wrong: str | None) -> None:
        """Count a check; take the backend out, or back in, where it is one of enough in a row."""
        if wrong is None:
            return
        if backend.healthy == (not wrong):
            self._row[backend.name] = 0
            return
        self._row[backend.name] = self._row.get(backend.name, 0) + 1
        if self._row[backend.name] >= (self.rise if not wrong else self.fall):
            self._row[backend.name] = 0
            self.backends.mark(backend, not wrong, wrong)
