"""One block as the executors see it: what to send, what to expect, where to enter what came of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lab.driver.ledger import Ledger
from lab.driver.words import Failure
from lab.model.scenario import Expect


class Job:
    """``messages`` and ``names`` are by request, ``expects`` by name. ``broke`` hears of a defect of the driver,
    ``heard``, where somebody listens, of every request that ended."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        messages: Sequence[bytes],
        names: Sequence[int],
        expects: Sequence[Expect],
        broke: Callable[[BaseException], None],
        heard: Callable[[int], None] | None = None,
    ) -> None:
        self.ledger = ledger
        self.messages = messages
        self.names = names
        self.broke = broke
        self._heard = heard
        self._wanted = [(frozenset(expect.status), expect.contains.encode()) for expect in expects]

    def text(self, i: int) -> bytes:
        """What the body of the answer to request ``i`` has to hold; empty: anything."""
        return self._wanted[self.names[i]][1]

    def answer(self, i: int, status: int, size: int, body: bytearray, end: int) -> None:
        """Request ``i`` was answered in full with ``size`` bytes of body: those of ``body`` before ``end``.

        They are only looked at where a text is expected in them.
        """
        statuses, text = self._wanted[self.names[i]]
        if status not in statuses if statuses else status >= 400:
            failure = _STATUS
        else:
            failure = _NONE if not text or body.find(text, max(0, end - size), end) >= 0 else _CONTENT
        self.ledger.close(i, failure, status, size)
        if self._heard is not None:
            self._heard(i)

    def fail(self, i: int, failure: Failure) -> None:
        """Request ``i`` ended without a complete answer."""
        self.ledger.close(i, failure)
        if self._heard is not None:
            self._heard(i)


_NONE, _STATUS, _CONTENT = Failure.NONE, Failure.STATUS, Failure.CONTENT
