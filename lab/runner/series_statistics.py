"""One number of a row of samples: its peak, its mean, or how steeply it grows with the requests answered. Pure.

The slope is that of Theil (1950) and Sen (1968, "Estimates of the regression coefficient based on Kendall's
tau", JASA 63): the median of the slopes between any two samples. Up to 29 % of the samples can be anything
without carrying it away, so a garbage collection or a buffer for one large answer is no leak.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lab.model.stack import Statistic

FEWEST = 8  # samples below which a block says nothing
EACH = 1000  # requests that a slope is for

Numbers = npt.NDArray[np.float64]


def statistic(
    which: Statistic, series: Sequence[tuple[int, float]], done_ns: npt.NDArray[np.int64]
) -> float | None:
    """The statistic of samples ``(t_ns, value)`` in the unit of the values, a slope for each 1,000 requests.

    ``done_ns`` are the moments of answers on the same clock. None where there are fewer than ``FEWEST``
    samples, and no slope where no two of them had different numbers of requests before them.
    """
    if len(series) < FEWEST:
        return None
    moments, values = np.array([t for t, _ in series]), np.array([v for _, v in series], dtype=np.float64)
    if which == "slope":
        answered = np.searchsorted(np.sort(done_ns), moments, side="right").astype(np.float64)
        slope = theil_sen(answered, values)
        return None if slope is None else slope * EACH
    return float(values.max() if which == "peak" else values.mean())


def theil_sen(x: Numbers, y: Numbers) -> float | None:
    """The median of (y_j - y_i) / (x_j - x_i) over all pairs with different x; None where there is no such."""
    i, j = np.triu_indices(len(x), k=1)
    run, rise = x[j] - x[i], y[j] - y[i]
    apart = run != 0
    return float(np.median(rise[apart] / run[apart])) if apart.any() else None
