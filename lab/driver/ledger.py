"""What happened to every request of one block, written as it happens. No I/O, no gevent.

Columns of the ``array`` module: writing one number costs a twentieth of writing into a numpy record.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from time import monotonic_ns, process_time_ns
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lab.driver.words import NONE_SEEN, SAMPLE, Failure, GeneratorChecks, Samples

_STRETCH_NS = 250_000_000
_TIMEOUT = Failure.TIMEOUT


class Row(NamedTuple):
    """One request. ``status`` 0: no answer."""

    due_ns: int
    done_ns: int
    status: int
    size: int
    failure: Failure


class Ledger:
    """One row a request, in order of the due moments. ``finished`` is called once, after the last one."""

    def __init__(self, due_ns: Sequence[int], timeout_ns: int, finished: Callable[[], None]) -> None:
        n = len(due_ns)
        self.due_ns = array("q", due_ns)
        self.timeout_ns = timeout_ns
        self._taken_ns = array("q", bytes(8 * n))  # seen by the pacer, should it then wait for a connection
        self._sent_ns = array("q", bytes(8 * n))
        self._done_ns = array("q", bytes(8 * n))
        self._status = array("h", bytes(2 * n))
        self._bytes = array("i", bytes(4 * n))
        self._error = array("B", bytes(n))
        self.open = n
        self.now_ns = 0  # when the last one ended
        self._finished = finished
        self.queued = 0
        self.retried = 0

    def ended(self, i: int) -> bool:
        """Whether request ``i`` has its answer, or its failure."""
        return self._done_ns[i] != 0

    def overdue(self, oldest: int) -> tuple[list[int], int]:
        """Requests from ``oldest`` on whose time-out has passed, and the first one that may still come."""
        limit = monotonic_ns() - self.timeout_ns
        late = []
        while oldest < len(self.due_ns) and (self._done_ns[oldest] or self.due_ns[oldest] <= limit):
            if not self._done_ns[oldest]:
                late.append(oldest)
            oldest += 1
        return late, oldest

    def queue(self, i: int) -> None:
        """Request ``i`` is due and waits for a connection."""
        self._taken_ns[i] = monotonic_ns()
        self.queued += 1

    def send(self, i: int) -> None:
        """Request ``i`` has its turn."""
        self._sent_ns[i] = monotonic_ns()

    def close(self, i: int, failure: Failure, status: int = 0, size: int = 0) -> None:
        """Request ``i`` ended: answered with ``status`` and ``size`` bytes of body, or not."""
        self.now_ns = done = monotonic_ns()
        last = self.due_ns[i] + self.timeout_ns
        if failure is _TIMEOUT or done > last:
            # An answer after the time-out is none: nobody waits for it any more.
            failure, done, status, size = _TIMEOUT, last, 0, 0
        self._status[i] = status
        self._bytes[i] = size
        self._error[i] = failure
        self._done_ns[i] = done
        self.open -= 1
        if self.open == 0:
            self._finished()

    def row(self, i: int) -> Row:
        """Request ``i`` as it stands."""
        return Row(self.due_ns[i], self._done_ns[i], self._status[i], self._bytes[i], Failure(self._error[i]))

    def done(self, which: slice) -> npt.NDArray[np.bool_]:
        """Which of these requests have ended."""
        return np.asarray(np.frombuffer(self._done_ns, dtype=np.int64)[which] != 0)

    def due_before(self, moment_ns: int) -> int:
        """How many requests were due by then."""
        return bisect_right(self.due_ns, moment_ns)

    def samples(self, names: npt.ArrayLike, which: npt.NDArray[np.intp] | None = None) -> Samples:
        """All rows, or those at the indices ``which``, as one array of ``SAMPLE``; ``names`` holds the index of
        each request's kind. What answers say of themselves is not in these books."""
        taken = slice(None) if which is None else which
        rows = np.zeros(len(self.due_ns) if which is None else len(which), dtype=SAMPLE)
        columns = (
            ("due_ns", self.due_ns), ("sent_ns", self._sent_ns), ("done_ns", self._done_ns),
            ("status", self._status), ("bytes", self._bytes), ("error", self._error), ("name", names),
        )  # fmt: skip
        for column, values in columns:
            rows[column] = np.asarray(values)[taken]
        rows["key"] = rows["version"] = NONE_SEEN
        rows["tries"] = rows["sent_ns"] > 0
        return rows

    def checks(self, cpu: CpuMeter, counted: int) -> GeneratorChecks:
        """The generator's own figures, once everything is answered."""
        asked = len(self.due_ns)
        error = np.asarray(self._error)
        sent = np.asarray(self._sent_ns) > 0
        late = self._lateness_s()
        p50, p99 = np.percentile(late, [50, 99]) if late.size else (0.0, 0.0)
        unable = int(np.count_nonzero(error == Failure.LOCAL))
        return GeneratorChecks(
            asked=asked,
            sent=int(np.count_nonzero(sent)),
            answered=int(np.count_nonzero(np.asarray(self._status) > 0)),
            schedule_error_p50_s=float(p50),
            schedule_error_p99_s=float(p99),
            cpu_share_max=cpu.share_max(),
            idle_connections=self.queued == 0,
            achieved=(int(np.count_nonzero(sent)) - unable) / asked if asked else 1.0,
            cpu_s=cpu.total_s(),
            queued=self.queued,
            retried=self.retried,
            recorded=asked,
            own_delay_p99_s=self._own_delay_p99_s(),
            counted=counted,
        )

    def _own_delay_p99_s(self) -> float:
        done, due, sent = (np.asarray(a) for a in (self._done_ns, self.due_ns, self._sent_ns))
        if not (was := sent > 0).any():
            return 0.0
        from_due, from_sent = (
            np.percentile(done[was] - due[was], 99),
            np.percentile(done[was] - sent[was], 99),
        )
        return max(0.0, float(from_due - from_sent) / 1e9)

    def _lateness_s(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        taken, sent = np.asarray(self._taken_ns), np.asarray(self._sent_ns)
        seen = np.where(taken > 0, taken, sent)
        due = np.asarray(self.due_ns)
        # A request that the driver never came to was late by its whole time-out.
        late = np.where(seen > 0, seen - due, self.timeout_ns)
        # Merged wake-ups send up to 20 microseconds early; early is not late.
        return np.asarray(np.maximum(late, 0) / 1e9, dtype=np.float64)


class CpuMeter:
    """CPU time of this process along a block."""

    def __init__(self) -> None:
        self._points: list[tuple[int, int]] = []  # wall, CPU; ns

    def read(self) -> None:
        self._points.append((monotonic_ns(), process_time_ns()))

    def total_s(self) -> float:
        return (self._points[-1][1] - self._points[0][1]) / 1e9

    def share_max(self) -> float:
        """Largest share of one core between two readings; a short rest joins its neighbour."""
        points = list(self._points)
        if len(points) > 2 and points[-1][0] - points[-2][0] < _STRETCH_NS // 2:
            del points[-2]
        spans = pairwise(points)
        shares = [(cpu1 - cpu0) / max(wall1 - wall0, 1) for (wall0, cpu0), (wall1, cpu1) in spans]
        return max(shares, default=0.0)
