"""The order of slots and the seeds of a run."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lab.verdict import child_seed, order


@given(st.integers(0, 2**64 - 1), st.integers(1, 6), st.integers(0, 8), st.integers(1, 4))
def test_every_stratum_holds_every_arm_equally_often(seed, arms, strata, each):
    names = [f"arm {n}" for n in range(arms)]
    drawn = order(seed, names, strata, each)
    assert len(drawn) == strata
    assert all(Counter(stratum) == dict.fromkeys(names, each) for stratum in drawn)
    assert order(seed, names, strata, each) == drawn


def test_all_orders_are_equally_likely():
    seen = Counter(order(seed, "abc", 1, 1)[0] for seed in range(6_000))
    assert set(seen) == set(permutations("abc"))
    assert stats.chisquare(list(seen.values())).pvalue > 0.001


def test_the_order_of_a_seed_is_frozen():
    drawn = order(7, ("healthy", "problem", "fix"), 2, 1)
    assert drawn == (("problem", "healthy", "fix"), ("healthy", "fix", "problem"))


def test_child_seeds_are_frozen_and_differ_by_every_ingredient():
    seeds = [child_seed(7, "ab", "order 1"), child_seed(8, "ab", "order 1"), child_seed(7, "ac", "order 1")]
    seeds.append(child_seed(7, "ab", "arrivals"))
    assert len(set(seeds)) == 4
    assert all(0 <= seed < 2**64 for seed in seeds)
    assert seeds[0] == 9_472_213_809_996_142_478
