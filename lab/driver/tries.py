"""The books of a block whose clients try again what failed. No I/O, no gevent."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from time import monotonic_ns

import numpy as np
import numpy.typing as npt

from lab.driver.ledger import Ledger
from lab.driver.words import Failure, Retry, Samples


class LedgerOfTries(Ledger):
    """One row a request, however often it is asked. ``again`` hears of each failure that is not the last: the
    request is to be sent once more, ``Retry.after_s`` later."""

    def __init__(
        self,
        due_ns: Sequence[int],
        timeout_ns: int,
        finished: Callable[[], None],
        retry: Retry,
        again: Callable[[int], None],
    ) -> None:
        super().__init__(due_ns, timeout_ns, finished)
        self._most = retry.tries
        self._after_ns, self._patience_ns = round(retry.after_s * 1e9), round(retry.timeout_s * 1e9)
        self._again = again
        self._tries = array("B", bytes(len(due_ns)))
        self._trying_ns = array("q", bytes(8 * len(due_ns)))  # when the try under way was sent; 0: none is

    def given_up(self, requests: Iterable[int]) -> list[int]:
        """Those of the requests whose try under way has taken too long."""
        limit, trying_ns = monotonic_ns() - self._patience_ns, self._trying_ns
        return [i for i in requests if 0 < trying_ns[i] <= limit]

    def queue(self, i: int) -> None:
        if self._tries[i]:
            self.queued += 1  # the plan had its connection in time
        else:
            super().queue(i)

    def send(self, i: int) -> None:
        if not self._tries[i]:
            super().send(i)
        self._tries[i] += 1
        self._trying_ns[i] = monotonic_ns()

    def close(self, i: int, failure: Failure, status: int = 0, size: int = 0) -> None:
        """A try of request ``i`` ended, and with it the request where it was good, the last one, or where its
        time-out comes before another."""
        self.now_ns = now = monotonic_ns()
        last = self.due_ns[i] + self.timeout_ns
        gives_up = self._trying_ns[i] + self._patience_ns if self._trying_ns[i] else last
        if now > gives_up:
            failure = Failure.TIMEOUT  # an answer that came when its client had stopped waiting
        self._trying_ns[i] = 0
        if failure is not Failure.NONE and self._tries[i] < self._most and now + self._after_ns < last:
            self._again(i)
            return
        super().close(i, failure, status, size)
        if failure is Failure.TIMEOUT:
            self._done_ns[i] = min(gives_up, last)

    def samples(self, names: npt.ArrayLike, which: npt.NDArray[np.intp] | None = None) -> Samples:
        rows = super().samples(names, which)
        rows["tries"] = np.asarray(self._tries)[slice(None) if which is None else which]
        return rows
