"""One block as the executors see it: what to send, what to expect, where to enter what came of it. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lab.driver.ledger import Ledger
from lab.driver.observing import Backends, Sight
from lab.driver.values import Target
from lab.driver.words import NONE_SEEN, Failure, Samples
from lab.model.scenario import Observe, Request


class Job:
    """``messages`` and ``targets`` are by request, ``requests`` by name. ``broke`` hears of a defect of the driver,
    ``heard``, where somebody listens, of every request that ended."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        messages: Sequence[bytes],
        targets: Sequence[Target],
        requests: Sequence[Request],
        broke: Callable[[BaseException], None],
        heard: Callable[[int], None] | None = None,
    ) -> None:
        self.ledger = ledger
        self.messages = messages
        self.names = [target.name for target in targets]
        self.broke = broke
        self._heard = heard
        self._wanted = [
            (frozenset(request.expect.status), request.expect.contains.encode()) for request in requests
        ]

    def keeps(self, i: int) -> bool:
        """Whether the body of the answer to request ``i`` is looked at."""
        return bool(self._wanted[self.names[i]][1])

    def header(self, i: int) -> str:
        """Which header of that answer is looked at, in small letters; empty: none."""
        del i
        return ""

    def answer(
        self, i: int, status: int, size: int, body: bytes | bytearray, end: int, backend: str | None = None
    ) -> None:
        """Request ``i`` was answered in full with ``size`` bytes of body: those of ``body`` before ``end``.

        They are only looked at where something is expected in them. ``backend`` is the text of the header that
        is looked at; None: the head stands in ``body`` before them.
        """
        del backend
        statuses, text = self._wanted[self.names[i]]
        if status not in statuses if statuses else status >= 400:
            failure = _STATUS
        else:
            failure = _NONE if not text or body.find(text, max(0, end - size), end) >= 0 else _CONTENT
        self.ledger.close(i, failure, status, size)
        if self._heard is not None and self.ledger.ended(i):
            self._heard(i)

    def fail(self, i: int, failure: Failure) -> None:
        """Request ``i`` got no complete answer."""
        self.ledger.close(i, failure)
        if self._heard is not None and self.ledger.ended(i):
            self._heard(i)

    def samples(self) -> Samples:
        return self.ledger.samples(self.names)

    def backends(self) -> tuple[str, ...]:
        """The instances that the samples' column ``backend`` points to."""
        return ()


class ObservingJob(Job):
    """Notes what the answers say of themselves, too: apart, since it costs microseconds for each.

    It does so when the answer has been timed, and only of answers in time.
    """

    def __init__(self, *, targets: Sequence[Target], requests: Sequence[Request], **rest: Any) -> None:
        super().__init__(targets=targets, requests=requests, **rest)
        self._sights = [Sight.of(request.observe) for request in requests]
        self._keys = [target.key for target in targets]
        self._versions = array("q", [NONE_SEEN]) * len(targets)
        self._backend = array("H", bytes(2 * len(targets)))
        self._known = Backends()

    def keeps(self, i: int) -> bool:
        return self._sights[self.names[i]].field is not None or super().keeps(i)

    def header(self, i: int) -> str:
        return self._sights[self.names[i]].header

    def answer(
        self, i: int, status: int, size: int, body: bytes | bytearray, end: int, backend: str | None = None
    ) -> None:
        super().answer(i, status, size, body, end)
        if not self.ledger.row(i).status:
            return
        sight, start = self._sights[self.names[i]], max(0, end - size)
        self._versions[i] = sight.version(body, start, end)
        self._backend[i] = self._known.number(sight.backend(body, start) if backend is None else backend)

    def samples(self) -> Samples:
        rows = super().samples()
        rows["key"], rows["version"] = self._keys, np.asarray(self._versions)
        rows["backend"] = np.asarray(self._backend)
        return rows

    def backends(self) -> tuple[str, ...]:
        return self._known.names()


def job_for(requests: Sequence[Request]) -> type[Job]:
    """The one that does no more than these requests ask for."""
    return ObservingJob if any(request.observe != Observe() for request in requests) else Job


_NONE, _STATUS, _CONTENT = Failure.NONE, Failure.STATUS, Failure.CONTENT
