"""How many answers took how long, in buckets so narrow that a percentile read from them is right to 0.25 %.

Adding two is exact: workers that each count their own make the same buckets, bit by bit, as one that
counts all. Averaging their percentiles would not.
"""

from __future__ import annotations

import math
from dataclasses import field

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

FROM_S = 1e-6
TO_S = 3600.0
GROWTH = 1.0049  # half the step between two buckets, which is the worst error: 0.244 %


def _edges() -> npt.NDArray[np.float64]:
    """Lower edges of all buckets. Multiplied up: unlike a power or a logarithm, that is the same on every machine."""
    edges = [FROM_S]
    while edges[-1] <= TO_S:
        edges.append(edges[-1] * GROWTH)
    return np.array(edges)


_EDGES = _edges()


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Histogram:
    """``counts`` of the buckets ``keys``, which rise. Bucket 0 is below a microsecond and reads as 0.0; what took
    longer than an hour reads as an hour."""

    keys: tuple[int, ...] = field(default=())
    counts: tuple[int, ...] = field(default=())

    @classmethod
    def of(cls, seconds: npt.NDArray[np.float64]) -> Histogram:
        """Counts every duration. ValueError for one that is no number."""
        if np.isnan(seconds).any():
            raise ValueError("a duration that is no number cannot be counted")
        return cls._of_buckets(np.searchsorted(_EDGES, seconds, side="right"), None)

    @classmethod
    def _of_buckets(cls, buckets: npt.NDArray[np.intp], weights: npt.NDArray[np.int64] | None) -> Histogram:
        keys, at = np.unique(buckets, return_inverse=True)
        counts = np.zeros(len(keys), dtype=np.int64)
        np.add.at(counts, at, 1 if weights is None else weights)
        return cls(tuple(keys.tolist()), tuple(counts.tolist()))

    @property
    def count(self) -> int:
        return sum(self.counts)

    def percentile(self, q: float) -> float:
        """Seconds that ``q`` percent of all answers did not exceed (nearest rank). ValueError where nothing was
        counted, or ``q`` is not within 0 to 100."""
        if not (self.counts and 0 <= q <= 100):
            raise ValueError(f"no {q}th percentile of {self.count} durations")
        rank = max(math.ceil(q / 100 * self.count), 1)
        return _middle(self.keys[int(np.searchsorted(np.cumsum(self.counts), rank))])

    def __add__(self, other: Histogram) -> Histogram:
        buckets = np.array(self.keys + other.keys, dtype=np.intp)
        return self._of_buckets(buckets, np.array(self.counts + other.counts, dtype=np.int64))


def _middle(key: int) -> float:
    """The value whose relative distance to both edges of the bucket is the same, and smallest."""
    if key == 0:
        return 0.0
    if key == len(_EDGES):
        return TO_S
    low, high = float(_EDGES[key - 1]), float(_EDGES[key])
    return 2 * low * high / (low + high)
