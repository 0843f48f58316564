"""Exact chances behind every claim: counts of equally likely orders, never an approximation.

In one stratum the order of ``m`` blocks of one arm and ``m`` of another was drawn by the lab, so under
"no difference" every order is equally likely, whatever the machine does. A claim counts the pairs of
blocks that disagree with it; the chance of at most ``c`` of them is a sum of integers over a power.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from math import comb, prod

from lab.model.run import Design

OVER_SHARE = 0.24  # the share of bad blocks that 17 clean ones exclude; "over the limit" must beat it
_DOUBT = 0.01  # bad_share_below is a 99 % bound


@cache
def _orders(a: int, b: int) -> tuple[int, ...]:
    """How many of the orders of ``a`` and ``b`` blocks have 0, 1, 2, … inversions between the two arms."""
    if a == 0 or b == 0:
        return (1,)
    counts = [0] * (a * b + 1)
    for n, count in enumerate(_orders(a - 1, b)):
        counts[n + b] += count
    for n, count in enumerate(_orders(a, b - 1)):
        counts[n] += count
    return tuple(counts)


@cache
def disagreements(strata: int, per_stratum: int = 3) -> tuple[int, ...]:
    """How many of all orders of ``strata`` strata have 0, 1, 2, … disagreeing pairs."""
    if strata == 0:
        return (1,)
    before, one = disagreements(strata - 1, per_stratum), _orders(per_stratum, per_stratum)
    counts = [0] * (len(before) + len(one) - 1)
    for i, x in enumerate(before):
        for j, y in enumerate(one):
            counts[i + j] += x * y
    return tuple(counts)


def chance(strata: int, allowed: int, per_stratum: int = 3) -> Fraction:
    """The chance that equal arms show at most ``allowed`` disagreeing pairs."""
    counts = disagreements(strata, per_stratum)
    return Fraction(sum(counts[: max(0, allowed + 1)]), comb(2 * per_stratum, per_stratum) ** strata)


def most_allowed(strata: int, alpha: Fraction, per_stratum: int = 3) -> int | None:
    """The most disagreeing pairs whose chance is at most ``alpha``; None where even zero is too likely."""
    most = None
    counts, reached = disagreements(strata, per_stratum), 0
    total = comb(2 * per_stratum, per_stratum) ** strata
    for n, count in enumerate(counts):
        reached += count
        if Fraction(reached, total) > alpha:
            return most
        most = n
    return most


def allowed_for(design: Design, table: Sequence[int | None], look: int, strata: int) -> int | None:
    """Disagreeing pairs that a claim may have at a look, also where the last look is short of a stratum.

    ``table`` is ``design.allowed`` or a guardrail's own. A short look keeps to the chance of the full one.
    """
    full = table[look]
    if full is None or strata == design.looks[look]:
        return full
    return most_allowed(strata, chance(design.looks[look], full, design.per_stratum), design.per_stratum)


@cache
def guardrail_allowed(design: Design, guardrails: int) -> tuple[int | None, ...]:
    """Allowed pairs at each look for one of several guardrails, which share the error rate of one claim.

    A look takes its share of what is left. Where an exact test cannot claim that cheaply, it takes the
    cheapest claim there is if the rest pays for it: look 1 (1 in 400) can serve up to three guardrails.
    """
    m = design.per_stratum
    costs = [chance(s, c, m) for s, c in zip(design.looks, design.allowed, strict=True)]
    left = sum(costs, Fraction()) / max(1, guardrails)
    table: list[int | None] = []
    for look, strata in enumerate(design.looks):
        share = left * costs[look] / sum(costs[look:], Fraction())
        most = most_allowed(strata, share, m)
        if most is None and chance(strata, 0, m) <= left:
            most = 0
        left -= chance(strata, most, m) if most is not None else 0
        table.append(most)
    return tuple(table)


def over_chance(blocks: int, over: int, share: float = OVER_SHARE) -> float:
    """The chance that at least ``over`` of ``blocks`` are over a limit when only ``share`` of all are."""
    return sum(comb(blocks, n) * share**n * (1 - share) ** (blocks - n) for n in range(over, blocks + 1))


@cache
def over_needed(design: Design, look: int, strata: int) -> int:
    """Blocks over a limit that prove it is exceeded, at the chance of the full look where one is short."""
    full = design.over_limit[look]
    if strata == design.looks[look]:
        return full
    blocks = strata * design.per_stratum
    alpha = over_chance(design.looks[look] * design.per_stratum, full)
    return next((n for n in range(blocks + 1) if over_chance(blocks, n) <= alpha), blocks + 1)


def bad_share_below(clean: int) -> float:
    """The share of bad blocks that ``clean`` blocks in a row exclude, with 99 % certainty."""
    return float(1 - _DOUBT ** (1 / clean)) if clean else 1.0


def uneven(counts: Sequence[tuple[int, int]]) -> Fraction:
    """Fisher's exact p (Freeman and Halton for more than two rows) that hits fall evenly on the rows.

    ``counts`` holds (hits, trials) of each row. Integers throughout, so equal tables tie exactly.
    """
    hits, trials = sum(h for h, _ in counts), sum(n for _, n in counts)
    observed = prod(comb(n, h) for h, n in counts)
    ways = {0: {1: 1}}  # hits so far -> weight of a table so far -> how many tables
    for _, n in counts:
        ways = _with_row(ways, n, hits)
    likely = sum(weight * times for weight, times in ways.get(hits, {}).items() if weight <= observed)
    return Fraction(likely, comb(trials, hits))


def _with_row(ways: dict[int, dict[int, int]], trials: int, most: int) -> dict[int, dict[int, int]]:
    grown: dict[int, dict[int, int]] = {}
    for so_far, weights in ways.items():
        for hits in range(min(trials, most - so_far) + 1):
            row, into = comb(trials, hits), grown.setdefault(so_far + hits, {})
            for weight, times in weights.items():
                into[weight * row] = into.get(weight * row, 0) + times
    return grown
