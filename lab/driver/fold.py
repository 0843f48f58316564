"""Adds what has ended to Locust's own statistics, so that everything built on them keeps working.

An event for each request would cost 5 microseconds of it. Counted by thousands, once a second, it is a fifth
of one, and in slices short enough not to hold up what is due meanwhile.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import gevent
import locust.stats
import numpy as np
from locust.stats import RequestStats, StatsEntry, StatsError

from lab.driver.ledger import Ledger
from lab.driver.words import Failure, Samples
from lab.model.scenario import Request

_SLICE = 1024  # requests counted at a time: some 0.3 ms
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


@dataclass
class Counts:
    """Requests of one name since the last handing over. Milliseconds, wall-clock seconds."""

    requests: int = 0
    failures: Counter[int] = field(default_factory=Counter)
    total_ms: float = 0.0
    least_ms: float = float("inf")
    most_ms: float = 0.0
    size: int = 0
    buckets: Whole = field(default_factory=lambda: np.zeros(_BUCKETS, dtype=np.int64))
    seconds: Counter[int] = field(default_factory=Counter)
    failed_seconds: Counter[int] = field(default_factory=Counter)
    first_s: float = float("inf")
    last_s: float = 0.0

    def add(self, rows: Samples, wall_s: float) -> None:
        """Count ``rows``; ``wall_s`` is what the wall clock is ahead of the monotonic one."""
        milliseconds = (rows["done_ns"] - rows["due_ns"]) / 1e6
        ends = rows["done_ns"] / 1e9 + wall_s
        failed = rows["error"] > 0
        self.requests += len(rows)
        if failed.any():
            self.failures.update(rows["error"][failed].tolist())
            self.failed_seconds.update(ends[failed].astype(np.int64).tolist())
        self.total_ms += float(milliseconds.sum())
        self.least_ms = min(self.least_ms, float(milliseconds.min()))
        self.most_ms = max(self.most_ms, float(milliseconds.max()))
        self.size += int(rows["bytes"].sum(dtype=np.int64))
        self.buckets += np.bincount(_keys(milliseconds), minlength=_BUCKETS)
        self.seconds.update(_tally(ends.astype(np.int64)))
        self.first_s = min(self.first_s, float(ends.min()))
        self.last_s = max(self.last_s, float(ends.max()))

    def into(self, stats: RequestStats, request: Request) -> None:
        """Hand over to Locust's statistics."""
        entry: Any = StatsEntry(stats, request.name, request.method)  # typed as whole milliseconds
        entry.start_time = self.first_s
        entry.last_request_timestamp = self.last_s
        entry.num_requests = self.requests
        entry.num_failures = self.failures.total()
        entry.total_response_time = self.total_ms
        entry.min_response_time = self.least_ms
        entry.max_response_time = self.most_ms
        entry.total_content_length = self.size
        entry.response_times.update(_values(self.buckets))
        entry.num_reqs_per_sec.update(self.seconds)
        entry.num_fail_per_sec.update(self.failed_seconds)
        stats.entries[(request.name, request.method)].extend(entry)
        stats.total.extend(entry)
        for code, count in self.failures.items():
            name = Failure(code).name.lower()
            key = StatsError.create_key(request.method, request.name, name)
            stats.errors.setdefault(key, StatsError(request.method, request.name, name)).occurrences += count


class Folding:
    """One block on its way into Locust's statistics, a part at a time."""

    def __init__(self, ledger: Ledger, names: Sequence[int], requests: Sequence[Request]) -> None:
        self._ledger = ledger
        self._names = np.asarray(names, dtype=np.uint16)
        self._requests = requests
        self._counted = np.zeros(len(names), dtype=np.bool_)
        self._low = 0  # everything before is counted
        self._wall_s = time.time() - time.monotonic()
        self._counts: dict[int, Counts] = {}
        self._gained = 0

    def _count(self) -> bool:
        """Count a slice of what has ended; whether there may be more."""
        high = min(self._ledger.due_before(time.monotonic_ns()), self._low + 2 * _SLICE)
        window = slice(self._low, high)
        fresh = self._low + np.flatnonzero(self._ledger.done(window) & ~self._counted[window])[:_SLICE]
        if not len(fresh):
            return False
        self._counted[fresh] = True
        open_ones = np.flatnonzero(~self._counted[window])
        self._low = self._low + int(open_ones[0]) if len(open_ones) else high
        rows = self._ledger.samples(self._names, fresh)
        for name in np.flatnonzero(np.bincount(rows["name"])).tolist():
            self._counts.setdefault(name, Counts()).add(rows[rows["name"] == name], self._wall_s)
        return True

    def into(self, stats: RequestStats) -> int:
        """Hand over what has ended; how many requests ``stats`` has gained in all."""
        while self._count():
            gevent.sleep(_PAUSE_S)
        while self._counts:
            name, counts = self._counts.popitem()
            before = int(stats.total.num_requests)
            counts.into(stats, self._requests[name])
            self._gained += int(stats.total.num_requests) - before
            gevent.sleep(_PAUSE_S)
        return self._gained


def _tally(values: Whole) -> dict[int, int]:
    """How often each value occurs; for values that lie close together."""
    low = int(values.min())
    counts = np.bincount(values - low)
    present = np.flatnonzero(counts)
    return dict(zip((present + low).tolist(), counts[present].tolist(), strict=True))


def _keys(milliseconds: Floats) -> Whole:
    """The bucket of each value, from 0 on."""
    return _leading(np.clip(milliseconds, _LEAST_MS, _MOST_MS)) - _FIRST


def _values(buckets: Whole) -> dict[float, int]:
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
