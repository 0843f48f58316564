"""How often a placebo was called RESOLVED in real runs, and what that proves of the error rate."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, fsum, lgamma, log, log1p

CONFIDENCE = 0.95  # of the upper bound, one-sided
_HALVINGS = 60  # of the interval from 0 to 1: finer than a float can tell apart


@dataclass(frozen=True)
class Tally:
    """``k`` of ``n`` independent trials were hits. ValueError where that cannot be."""

    k: int
    n: int

    def __post_init__(self) -> None:
        if not 0 <= self.k <= self.n:
            raise ValueError(f"there are no {self.k} hits in {self.n} trials")

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.k + other.k, self.n + other.n)

    def below(self, confidence: float = CONFIDENCE) -> float:
        """The share of hits that these trials exclude: the one-sided upper bound of Clopper and Pearson (1934).

        It is the share at which ``k`` hits or fewer would be as rare as ``1 - confidence``. 1.0 without a
        trial, or where every trial was a hit.
        """
        if self.k == self.n:
            return 1.0
        low, high = self.k / self.n, 1.0
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            if at_most(self.k, self.n, middle) > 1 - confidence:
                low = middle
            else:
                high = middle
        return high


def at_most(k: int, n: int, share: float) -> float:
    """The chance of at most ``k`` hits in ``n`` independent trials that hit with chance ``share``.

    Summed by logarithms, since the number of ways is soon larger than any float.
    """
    if k >= n or share <= 0:
        return 1.0
    if share >= 1:
        return 0.0
    hit, miss = log(share), log1p(-share)
    ways = (lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) for i in range(k + 1))
    return fsum(exp(way + i * hit + (n - i) * miss) for i, way in enumerate(ways))
