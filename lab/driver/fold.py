"""Adds what has ended to Locust's own statistics, so that everything built on them keeps working.

An event for each request would cost 5 microseconds of it. Here a few hundred requests are counted at a time,
which takes 0.2 microseconds each and holds up nothing, and the counts are handed over once a second.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import locust.stats
import numpy as np
from locust.stats import RequestStats, StatsEntry, StatsError

from lab.driver.ledger import Ledger
from lab.driver.words import Failure, Samples
from lab.model.scenario import Request

_SHIFT = 64  # powers of ten of a bucket lie within half of it on either side
_EACH = 256  # requests that are worth counting together
_MOST = 1024  # at a time: a tenth of a millisecond


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
    buckets: Counter[int] = field(default_factory=Counter)
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
        self.failures.update(rows["error"][failed].tolist())
        self.total_ms += float(milliseconds.sum())
        self.least_ms = min(self.least_ms, float(milliseconds.min()))
        self.most_ms = max(self.most_ms, float(milliseconds.max()))
        self.size += int(rows["bytes"].sum(dtype=np.int64))
        self.buckets.update(_keys(milliseconds).tolist())
        self.seconds.update(ends.astype(np.int64).tolist())
        self.failed_seconds.update(ends[failed].astype(np.int64).tolist())
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
        entry.response_times.update({_bucket(key): count for key, count in self.buckets.items()})
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

    def count(self, *, least: int = _EACH) -> bool:
        """Count some of what has ended; whether there was enough to be worth it."""
        due = self._ledger.due_before(time.monotonic_ns())
        if due - self._low < least:
            return False
        high = min(due, self._low + 4 * _MOST)
        window = slice(self._low, high)
        fresh = self._low + np.flatnonzero(self._ledger.done(window) & ~self._counted[window])[:_MOST]
        if len(fresh) < least:
            return False
        self._counted[fresh] = True
        open_ones = np.flatnonzero(~self._counted[window])
        self._low = self._low + int(open_ones[0]) if len(open_ones) else high
        rows = self._ledger.samples(self._names, fresh)
        for name in np.unique(rows["name"]).tolist():
            self._counts.setdefault(name, Counts()).add(rows[rows["name"] == name], self._wall_s)
        return True

    def into(self, stats: RequestStats) -> int:
        """Hand over what has ended; how many requests ``stats`` has gained in all."""
        while self.count(least=1):
            pass
        before = int(stats.total.num_requests)
        for name, counts in self._counts.items():
            counts.into(stats, self._requests[name])
        self._counts.clear()
        self._gained += int(stats.total.num_requests) - before
        return self._gained


def _keys(milliseconds: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """A whole number for each value's three significant digits and their power of ten."""
    seen = np.maximum(milliseconds, 1e-6)
    power = np.floor(np.log10(seen)) - 2
    digits = np.rint(seen / 10.0**power)
    return np.asarray(digits * _SHIFT + power + _SHIFT // 2, dtype=np.int64)


def _bucket(key: int) -> float:
    digits, power = divmod(key, _SHIFT)
    return float(f"{digits}e{power - _SHIFT // 2}")
