"""What share of a load each kind of request has: exactly what its weight says, in random order. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate


def mix(weights: Sequence[float], count: int, draw: Callable[[], float]) -> list[int]:
    """``count`` indices into ``weights``, each as often as its weight says, or by one draw more or less.

    Independent draws would give a block of a second 12 heavy requests with one seed and 5 with the next, and so
    decide whether a problem shows. Here one draw lays a comb of ``count`` equal distances over the weights
    (systematic sampling, which meets every expectation), and the others shuffle what it met (Fisher and Yates).
    ``draw`` gives numbers in [0, 1). ValueError without a positive weight, and for a negative one.
    """
    bounds = list(accumulate(weights))
    if not bounds or bounds[-1] <= 0 or min(weights) < 0:
        raise ValueError("the load needs a request of positive weight, and none of negative weight")
    if len(bounds) == 1:
        return [0] * count
    last, start = len(bounds) - 1, draw()
    distance = bounds[-1] / max(1, count)
    found = [min(bisect_right(bounds, (k + start) * distance), last) for k in range(count)]
    for k in range(count - 1, 0, -1):
        other = int(draw() * (k + 1))
        found[k], found[other] = found[other], found[k]
    return found
