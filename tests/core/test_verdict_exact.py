"""The exact table, from first principles and against scipy."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lab.model.run import Design
from lab.verdict.exact import (
    allowed_for,
    bad_share_below,
    chance,
    disagreements,
    guardrail_allowed,
    most_allowed,
    over_chance,
    over_needed,
    uneven,
)

DESIGN = Design()


def test_one_stratum_counts_the_twenty_orders_of_three_and_three():
    counts = [0] * 10
    for fixed in combinations(range(6), 3):
        problem = set(range(6)) - set(fixed)
        counts[sum(x > f for x in fixed for f in problem)] += 1
    assert disagreements(1) == tuple(counts) == (1, 1, 2, 3, 3, 3, 3, 2, 1, 1)


@pytest.mark.parametrize(("m", "allowed"), [(3, 0), (3, 2), (4, 3), (5, 7), (7, 12)])
def test_one_stratum_agrees_with_the_exact_rank_sum_of_scipy(m, allowed):
    x, f = _with_inversions(m, allowed)
    p = stats.mannwhitneyu(x, f, alternative="less", method="exact").pvalue
    assert float(chance(1, allowed, m)) == pytest.approx(p, rel=1e-12)


def _with_inversions(m, inversions):
    """Two samples without ties in which exactly so many pairs have x above f."""
    f = [10.0 * n for n in range(1, m + 1)]
    x = []
    for i in range(m):
        below = min(m, inversions)
        inversions -= below
        x.append(10.0 * below + 5 + i * 0.01)
    return x, f


def test_several_strata_agree_with_drawn_orders():
    rng = np.random.default_rng(5)
    draws = 40_000
    ranks = np.argsort(rng.random((draws, 4, 6)), axis=2)
    against = (ranks[:, :, :3, None] > ranks[:, :, None, 3:]).sum(axis=(1, 2, 3))
    share = float((against <= 6).mean())
    assert share == pytest.approx(float(chance(4, 6)), abs=4 * (0.005 / draws) ** 0.5)


def test_the_frozen_table_is_the_exact_one():
    rates = [chance(s, c) for s, c in zip(DESIGN.looks, DESIGN.allowed, strict=True)]
    assert rates[0] == Fraction(1, 400)
    assert [round(float(rate), 5) for rate in rates] == list(DESIGN.alpha)
    assert float(sum(rates)) <= 0.00924
    for strata, allowed, alpha in zip(DESIGN.looks, DESIGN.allowed, DESIGN.alpha, strict=True):
        assert most_allowed(strata, Fraction(alpha).limit_denominator(100_000)) == allowed


def test_the_frozen_counts_over_a_limit_refute_a_share_of_24_percent():
    chances = [over_chance(6 * 2**n, over) for n, over in enumerate(DESIGN.over_limit)]
    assert [round(p, 4) for p in chances] == [0.0002, 0.0021, 0.0014]
    oracle = [stats.binom.sf(over - 1, 6 * 2**n, 0.24) for n, over in enumerate(DESIGN.over_limit)]
    assert chances == pytest.approx(oracle)


def test_seventeen_clean_blocks_exclude_a_bad_share_of_24_percent():
    assert round(bad_share_below(17), 2) == 0.24
    assert round(bad_share_below(24), 2) == 0.17
    assert bad_share_below(0) == 1.0


def test_guardrails_share_the_rate_of_one_claim():
    assert guardrail_allowed(DESIGN, 1) == DESIGN.allowed
    whole = sum(chance(s, c) for s, c in zip(DESIGN.looks, DESIGN.allowed, strict=True))
    for guardrails in range(1, 9):
        table = guardrail_allowed(DESIGN, guardrails)
        spent = sum(chance(s, c) for s, c in zip(DESIGN.looks, table, strict=True) if c is not None)
        assert spent <= whole / guardrails
        assert (table[0] == 0) is (guardrails <= 3), "1 in 400 serves at most three"


def test_a_short_last_look_keeps_the_error_rate_of_the_full_one():
    for strata in range(5, 8):
        allowed = allowed_for(DESIGN, DESIGN.allowed, 2, strata)
        assert chance(strata, allowed) <= chance(8, 17) < chance(strata, allowed + 1)
        assert over_chance(3 * strata, over_needed(DESIGN, 2, strata)) <= over_chance(24, 13)


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=2, max_size=3))
def test_fishers_exact_test_agrees_with_scipy(rows):
    counts = [(hits, hits + misses) for hits, misses in rows]
    table = np.array(rows)
    p = stats.fisher_exact(table).pvalue if len(rows) == 2 else _freeman_halton(counts)
    assert float(uneven(counts)) == pytest.approx(p, rel=1e-6)


def _freeman_halton(counts):
    """By enumeration of every table with the same margins, from scipy's multivariate hypergeometric."""
    sizes = [n for _, n in counts]
    hits = sum(h for h, _ in counts)
    tables = [
        (a, b, hits - a - b)
        for a in range(sizes[0] + 1)
        for b in range(sizes[1] + 1)
        if 0 <= hits - a - b <= sizes[2]
    ]
    law = stats.multivariate_hypergeom(m=sizes, n=hits)
    chances = [float(law.pmf(t)) if hits else 1.0 for t in tables]
    observed = float(law.pmf([h for h, _ in counts])) if hits else 1.0
    return sum(p for p in chances if p <= observed * (1 + 1e-9))
