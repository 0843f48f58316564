"""Pairs, ties and absent values; and T1: a claim is made in at most 1 of 400 orders, whatever the data."""

from __future__ import annotations

from itertools import combinations, product
from math import exp, log
from statistics import median as middle

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lab.verdict.bounds import effect, is_above, is_below, is_within, median, pairs_of, quantile

ADVERSARIAL = st.one_of(
    st.lists(st.floats(0.1, 1e6), min_size=12, max_size=12),
    st.lists(st.sampled_from([1.0, 1.1, 2.0]), min_size=12, max_size=12),  # ties
    st.lists(st.sampled_from([1.0, 1.0, 1.0, 900.0]), min_size=12, max_size=12),  # stalls
    st.floats(0.01, 10).map(lambda slope: [1 + slope * n for n in range(12)]),  # a trend
    st.lists(st.one_of(st.none(), st.floats(0.1, 10)), min_size=12, max_size=12),  # absent values
)


def orders_claiming(values, claim):
    """Of the 400 ways to call 3 of 6 blocks in each of two strata fixed: how many make the claim?"""
    strata = (values[:6], values[6:])
    claims = 0
    for labels in product(combinations(range(6), 3), repeat=2):
        rows = [
            (
                tuple(row[i] for i in fixed),
                tuple(row[i] for i in range(6) if i not in fixed),
            )
            for row, fixed in zip(strata, labels, strict=True)
        ]
        claims += claim(pairs_of(tuple(x for x, _ in rows), tuple(f for _, f in rows)))
    return claims


@settings(max_examples=60, deadline=None)
@given(ADVERSARIAL)
@example([1.0] * 12)
@example([None] * 12)
@example([float(n) for n in range(12)])
def test_at_most_one_order_in_400_claims_better_or_worse_whatever_the_data(values):
    assert orders_claiming(values, lambda pairs: is_below(pairs, 0, 1.0)) <= 1
    assert orders_claiming(values, lambda pairs: is_above(pairs, 0, 1.0)) <= 1


def test_without_ties_exactly_one_order_in_400_claims_better():
    assert orders_claiming([float(n * 7 % 12) for n in range(12)], lambda p: is_below(p, 0, 1.0)) == 1


def test_ties_and_absent_values_are_against_a_claim_and_equality_is_within():
    ties = pairs_of(((2.0, 2.0, 2.0),), ((2.0, 2.0, 2.0),))
    assert not is_below(ties, 8, 1.0)
    assert not is_above(ties, 8, 1.0)
    assert is_within(ties, 0, 1.0)
    absent = pairs_of(((1.0, None, 1.0),), ((2.0, 2.0, 2.0),))
    assert not is_below(absent, 2, 1.0)
    assert is_below(absent, 3, 1.0)
    assert not is_within(absent, 2, 1.0)


def test_pairs_stay_inside_their_stratum():
    assert pairs_of(((1.0,), (2.0,)), ((3.0,), (4.0,))) == ((1.0, 3.0), (2.0, 4.0))


ROWS = st.lists(st.lists(st.floats(0.01, 1e4), min_size=3, max_size=3).map(tuple), min_size=2, max_size=4)


@given(st.integers(0, 17), st.data())
def test_a_claim_holds_exactly_where_its_bound_says_so(allowed, data):
    a = data.draw(ROWS)
    b = data.draw(st.lists(st.tuples(*[st.floats(0.01, 1e4)] * 3), min_size=len(a), max_size=len(a)))
    pairs = pairs_of(tuple(a), tuple(b))
    found = effect(pairs, "difference", allowed)
    assert (found.upper < 0) is is_below(pairs, allowed, 1.0)
    assert (found.lower > 0) is is_above(pairs, allowed, 1.0)
    assert (found.upper <= 0) is is_within(pairs, allowed, 1.0)


@given(ROWS)
def test_the_estimate_is_the_middle_of_all_log_differences(rows):
    pairs = pairs_of(tuple(rows), tuple(reversed(rows)))
    logs = [log(a) - log(b) for a, b in pairs]
    found = effect(pairs, "ratio", 0)
    assert found.estimate == pytest.approx(exp(middle(logs)))
    assert found.lower == pytest.approx(exp(min(logs)))
    assert found.upper == pytest.approx(exp(max(logs)))


def test_an_absent_pair_widens_both_bounds():
    pairs = [(2.0, 1.0), (3.0, 1.0), (4.0, 1.0), None]
    assert effect(pairs, "ratio", 0).upper is None
    assert effect(pairs, "ratio", 1).upper == 4.0
    assert effect(pairs, "ratio", 1).lower == 2.0
    assert effect([None], "ratio", 0).estimate is None


def test_medians_and_quantiles():
    assert median([]) is None
    assert median([3.0, 1.0]) == 2.0
    assert quantile([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0.9) == 5.5
    assert quantile([7.0], 0.9) == 7.0
