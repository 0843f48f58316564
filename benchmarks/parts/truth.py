"""What a request that is due at a moment must take, from the log of a server's stalls. Pure.

The server reads a request at once and answers it after its service time; whatever falls into a stall happens
at the stall's end. So the truth needs the planned moments and the log, and nothing that a client measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

Moments = npt.NDArray[np.int64]
Seconds = npt.NDArray[np.float64]
Stall = tuple[int, int]


@dataclass(frozen=True)
class Points:
    """The points of a distribution that are compared; seconds."""

    p50: float
    p90: float
    p99: float
    max: float

    def off(self, truth: Points) -> Points:
        """How far each is from the truth, as a share of it."""
        return Points(*(mine / true - 1 for mine, true in zip(astuple(self), astuple(truth), strict=True)))


def after_stalls(moments_ns: Moments, stalls: Sequence[Stall]) -> Moments:
    """When what should happen at each moment happens: then, or at the end of the stall that it falls into."""
    happens = moments_ns.copy()
    for start, end in sorted(stalls):
        happens[(happens >= start) & (happens < end)] = end
    return happens


def true_latency(due_ns: Moments, stalls: Sequence[Stall], service_s: float) -> Seconds:
    """Seconds from each due moment to its answer."""
    read = after_stalls(due_ns, stalls)
    answered = after_stalls(read + round(service_s * 1e9), stalls)
    return np.asarray((answered - due_ns) / 1e9, dtype=np.float64)


def points(latency_s: Seconds) -> Points:
    """Percentiles and the maximum. ValueError for an empty sample."""
    if latency_s.size == 0:
        raise ValueError("no percentile of nothing")
    p50, p90, p99 = np.percentile(latency_s, [50, 90, 99])
    return Points(float(p50), float(p90), float(p99), float(latency_s.max()))


def even(start_ns: int, length_s: float, count: int) -> Moments:
    """Moments spread evenly over a window: arrivals that know nothing of the server."""
    return start_ns + np.arange(count, dtype=np.int64) * round(length_s * 1e9) // max(count, 1)


def calm(read_ns: Moments, done_ns: Moments, stalls: Sequence[Stall]) -> Seconds:
    """Service times of the requests that no stall touched."""
    untouched = done_ns > 0
    for start, end in stalls:
        untouched &= (done_ns < start) | (read_ns > end)
    return np.asarray((done_ns - read_ns)[untouched] / 1e9, dtype=np.float64)


def recovered_ns(read_ns: Moments, done_ns: Moments, stretch_s: float) -> int:
    """The end of a serial server's last busy stretch longer than ``stretch_s``: when an overload was over for it.

    A stretch ends where the next request is read after everything before it was answered. Requests that were
    never answered (0) do not count. ValueError where no stretch was that long.
    """
    answered = done_ns > 0
    order = np.argsort(read_ns[answered], kind="stable")
    read, done = read_ns[answered][order], np.maximum.accumulate(done_ns[answered][order])
    begins = np.flatnonzero(np.concatenate(([True], read[1:] > done[:-1])))[: read.size]
    ends = np.concatenate((begins[1:] - 1, [read.size - 1]))[: begins.size]
    long = done[ends] - read[begins] > stretch_s * 1e9
    if not long.any():
        raise ValueError(f"the server was never busy for {stretch_s} s on end")
    return int(done[ends[long]][-1])


def back_on_schedule_s(
    due_ns: Moments, sent_ns: Moments, since_ns: int, late_s: float, bin_s: float
) -> float:
    """Seconds after ``since_ns`` until requests leave in time for good.

    Requests are looked at in bins of ``bin_s`` by due moment; a bin is late where its median request leaves
    more than ``late_s`` after it was due (never sent counts as late). 0.0 where no bin after it is late.
    """
    late = (sent_ns == 0) | (sent_ns - due_ns > late_s * 1e9)
    width = round(bin_s * 1e9)
    bins = (due_ns - since_ns) // width
    late_bins = [b for b in np.unique(bins[bins >= 0]) if late[bins == b].mean() > 0.5]
    return float(late_bins[-1] + 1) * bin_s if late_bins else 0.0
