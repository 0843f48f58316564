"""Adds what has ended to Locust's own statistics, so that everything built on them keeps working.

An event for each request would cost 5 microseconds of it. Counted by thousands, once a second, it is a fifth
of one, and in slices short enough not to hold up what is due meanwhile.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

import gevent
import locust.stats
import numpy as np
import numpy.typing as npt
from locust.stats import RequestStats, StatsEntry, StatsError

from lab.driver.ledger import Ledger
from lab.driver.words import Failure, Samples
from lab.model.scenario import Request

_SLICE = 256  # requests counted at a time: some 0.1 ms
_PAUSE_S = 0.001  # a sleep of nothing would not let gevent look at its sockets and timers
_DROPPED_BITS = 44  # of a double's 52: what is left tells values apart by 0.4 %
_LEAST_MS, _MOST_MS = 2.0**-16, 2.0**30  # a hundredth of a microsecond, and twelve days

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
Whole = np.ndarray[tuple[int], np.dtype[np.int64]]


def _leading(milliseconds: Floats) -> Whole:
    """The leading bits of each value: a logarithm for the price of a shift."""
    return milliseconds.view(np.int64) >> _DROPPED_BITS


_FIRST, _LAST = _leading(np.array([_LEAST_MS, _MOST_MS])).tolist()
_BUCKETS = _LAST - _FIRST + 1


def three_digits(milliseconds: float) -> float:
    """Locust's own buckets are whole milliseconds, then two digits: 1.45 and 0.55 ms would be one bucket."""
    return float(f"{milliseconds:.3g}")


def install_buckets() -> None:
    """Make all of Locust count latencies to three significant digits."""
    stats: Any = locust.stats  # typed as whole milliseconds, meant to be replaced
    stats.bucket_response_time = three_digits


class Counts:
    """What has ended since the last handing over, by name. Milliseconds, wall-clock seconds.

    Every name has a column, and a slice of requests goes into all of them at once: numpy costs more by the
    call than by the request.
    """

    def __init__(self, names: int) -> None:
        self.requests = np.zeros(names, dtype=np.int64)
        self.total_ms = np.zeros(names)
        self.least_ms = np.full(names, np.inf)
        self.most_ms = np.zeros(names)
        self.size = np.zeros(names, dtype=np.int64)
        self.first_s = np.full(names, np.inf)
        self.last_s = np.zeros(names)
        self.buckets = np.zeros((names, _BUCKETS), dtype=np.int32)
        self.seconds: Counter[tuple[int, int]] = Counter()  # by name and second
        self.failed_seconds: Counter[tuple[int, int]] = Counter()
        self.failures: Counter[tuple[int, int]] = Counter()  # by name and kind of failure

    def add(self, rows: Samples, wall_s: float) -> None:
        """Count ``rows``; ``wall_s`` is what the wall clock is ahead of the monotonic one."""
        names = rows["name"]
        milliseconds = (rows["done_ns"] - rows["due_ns"]) / 1e6
        ends = rows["done_ns"] / 1e9 + wall_s
        np.add.at(self.requests, names, 1)
        np.add.at(self.total_ms, names, milliseconds)
        np.minimum.at(self.least_ms, names, milliseconds)
        np.maximum.at(self.most_ms, names, milliseconds)
        np.add.at(self.size, names, rows["bytes"])
        np.minimum.at(self.first_s, names, ends)
        np.maximum.at(self.last_s, names, ends)
        np.add.at(self.buckets, (names, _keys(milliseconds)), 1)
        seconds = ends.astype(np.int64)
        self.seconds.update(zip(names.tolist(), seconds.tolist(), strict=True))
        if (failed := rows["error"] > 0).any():
            self.failures.update(zip(names[failed].tolist(), rows["error"][failed].tolist(), strict=True))
            self.failed_seconds.update(zip(names[failed].tolist(), seconds[failed].tolist(), strict=True))

    def entry(self, stats: RequestStats, name: int, request: Request) -> Any:
        """The requests of one name, in Locust's own form."""
        entry: Any = StatsEntry(stats, request.name, request.method)  # typed as whole milliseconds
        entry.start_time = float(self.first_s[name])
        entry.last_request_timestamp = float(self.last_s[name])
        entry.num_requests = int(self.requests[name])
        entry.num_failures = sum(count for (of, _), count in self.failures.items() if of == name)
        entry.total_response_time = float(self.total_ms[name])
        entry.min_response_time = float(self.least_ms[name])
        entry.max_response_time = float(self.most_ms[name])
        entry.total_content_length = int(self.size[name])
        entry.response_times.update(_values(self.buckets[name]))
        entry.num_reqs_per_sec.update({s: count for (of, s), count in self.seconds.items() if of == name})
        entry.num_fail_per_sec.update(
            {s: count for (of, s), count in self.failed_seconds.items() if of == name}
        )
        return entry

    def errors(self, name: int) -> dict[Failure, int]:
        """How requests of one name failed, and how often."""
        return {Failure(code): count for (of, code), count in self.failures.items() if of == name}


class Folding:
    """One block on its way into Locust's statistics, a part at a time."""

    def __init__(self, ledger: Ledger, names: Sequence[int], requests: Sequence[Request]) -> None:
        self._ledger = ledger
        self._names = np.asarray(names, dtype=np.uint16)
        self._requests = requests
        self._counted = np.zeros(len(names), dtype=np.bool_)
        self._low = 0  # everything before is counted
        self._wall_s = time.time() - time.monotonic()
        self._gained = 0

    def into(self, stats: RequestStats) -> int:
        """Hand over what has ended; how many requests ``stats`` has gained in all.

        Pauses between the slices, so that whatever is due meanwhile is sent. Who ends it in a pause finds
        nothing lost: a slice is marked as counted when its name is handed over.
        """
        counts, taken = Counts(len(self._requests)), []
        low = self._low
        while len(fresh := self._slice(low)):
            low = int(fresh[-1]) + 1
            counts.add(self._ledger.samples(self._names, fresh), self._wall_s)
            taken.append(fresh)
            gevent.sleep(_PAUSE_S)
        if taken:
            self._hand_over(counts, np.concatenate(taken), stats)
        return self._gained

    def _slice(self, low: int) -> npt.NDArray[np.intp]:
        """Some of the requests from ``low`` on that have ended and are not counted yet."""
        due = self._ledger.due_before(time.monotonic_ns())
        while low < due:
            window = slice(low, min(due, low + _SLICE))
            fresh = np.flatnonzero(self._ledger.done(window) & ~self._counted[window])
            if len(fresh):
                return fresh + low
            low = window.stop
        return np.zeros(0, dtype=np.intp)

    def _hand_over(self, counts: Counts, taken: npt.NDArray[np.intp], stats: RequestStats) -> None:
        names = self._names[taken]
        for name in np.flatnonzero(counts.requests).tolist():
            request = self._requests[name]
            entry = counts.entry(stats, name, request)
            gevent.sleep(_PAUSE_S)
            before = int(stats.total.num_requests)
            stats.entries[(request.name, request.method)].extend(entry)
            stats.total.extend(entry)
            for failure, count in counts.errors(name).items():
                _add_error(stats, request, failure, count)
            self._gained += int(stats.total.num_requests) - before
            self._counted[taken[names == name]] = True
        while self._low < len(self._counted) and self._counted[self._low]:
            open_ones = np.flatnonzero(~self._counted[self._low : self._low + _SLICE])
            self._low += int(open_ones[0]) if len(open_ones) else _SLICE


def _add_error(stats: RequestStats, request: Request, failure: Failure, count: int) -> None:
    name = failure.name.lower()
    key = StatsError.create_key(request.method, request.name, name)
    stats.errors.setdefault(key, StatsError(request.method, request.name, name)).occurrences += count


def _keys(milliseconds: Floats) -> Whole:
    """The bucket of each value, from 0 on."""
    return _leading(np.clip(milliseconds, _LEAST_MS, _MOST_MS)) - _FIRST


def _values(buckets: npt.NDArray[np.int32]) -> dict[float, int]:
    """Locust's buckets: the middle of each of ours, to three significant digits."""
    found: dict[float, int] = {}
    for key in np.flatnonzero(buckets).tolist():
        bucket = _middle(key)
        found[bucket] = found.get(bucket, 0) + int(buckets[key])
    return found


@cache
def _middle(key: int) -> float:
    bits = ((key + _FIRST) << _DROPPED_BITS) + (1 << (_DROPPED_BITS - 1))
    return three_digits(float(np.int64(bits).view(np.float64)))
