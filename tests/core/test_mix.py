"""The mix of a load: shares exact, order random, the same for the same draws."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.driver.mix import mix

seeds = st.integers(0, 2**32)
weights = st.lists(st.just(0.0) | st.floats(0.01, 100), min_size=1, max_size=6).filter(any)


@given(seeds, weights, st.integers(0, 300))
def test_each_kind_comes_as_often_as_its_weight_says(seed: int, weights: list[float], count: int) -> None:
    found = mix(weights, count, random.Random(seed).random)
    assert len(found) == count
    for kind, weight in enumerate(weights):
        share = count * weight / sum(weights)
        assert math.floor(share - 1e-6) <= found.count(kind) <= math.ceil(share + 1e-6)


@given(seeds, weights, st.integers(0, 50))
def test_equal_draws_make_equal_mixes(seed: int, weights: list[float], count: int) -> None:
    one, other = (mix(weights, count, random.Random(seed).random) for _ in range(2))
    assert one == other


def test_every_order_is_as_likely_as_any_other() -> None:
    """Four requests of which two are heavy: six orders, each a sixth of 6,000 within five deviations."""
    draw = random.Random(7).random
    orders = Counter(tuple(mix([1, 1], 4, draw)) for _ in range(6000))
    assert len(orders) == 6
    assert all(abs(times - 1000) < 5 * (6000 * 5 / 36) ** 0.5 for times in orders.values())


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_what_does_not_come_out_even_is_met_on_average(seed: int) -> None:
    """A share of 0.3 of one request is one request in three blocks of ten, not in none."""
    draw = random.Random(seed).random
    rare = sum(mix([7, 3], 1, draw)[0] for _ in range(2000))
    assert abs(rare - 600) < 6 * (2000 * 0.3 * 0.7) ** 0.5


@pytest.mark.parametrize("weights", [(), (0.0,), (2.0, -1.0)])
def test_a_load_without_weight_is_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="positive weight"):
        mix(weights, 3, random.Random(1).random)
