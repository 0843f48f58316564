"""The request list: inside its window, at its rate, and the same for the same seed on every machine."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.driver.schedule import Law, arrivals, pick, schedule
from lab.model.scenario import Request, Values

seeds = st.integers(0, 2**64 - 1)
laws: st.SearchStrategy[Law] = st.sampled_from(["poisson", "constant"])
rates = st.floats(0.5, 2000)
lengths = st.floats(0.05, 2)

OFFSETS_OF_42 = (30649815, 126389124, 180741512)
PATHS_OF_42 = ["/products/46", "/products/27", "/orders"]
SHA_OF_42 = "e37c230afbbe31bd358254c2df9bda573cb6bc0ab4e9b6b30754e3c490c0f32b"

PRODUCT = Request(name="product", get="/products/{id}", values={"id": Values(uniform=(1, 50))}, weight=3)
ORDER = Request(name="order", post="/orders", body={"customer": 7})


@settings(deadline=None)
@given(seeds, rates, lengths, laws)
def test_arrivals_are_sorted_and_inside_the_window(seed: int, rate: float, length: float, law: Law) -> None:
    offsets = arrivals(seed, rate, length, law)
    assert list(offsets) == sorted(offsets)
    assert all(0 <= at < round(length * 1e9) for at in offsets)


@settings(deadline=None)
@given(seeds, rates, lengths, laws)
def test_equal_orders_make_equal_lists(seed: int, rate: float, length: float, law: Law) -> None:
    order = {"seed": seed, "rate": rate, "length_s": length, "law": law, "requests": (PRODUCT, ORDER)}
    assert schedule(**order) == schedule(**order)  # type: ignore[arg-type]


@settings(deadline=None)
@given(seeds, st.floats(10, 200))
def test_poisson_arrivals_have_their_rate_and_spread(seed: int, rate: float) -> None:
    expected = 1000.0
    offsets = arrivals(seed, rate, expected / rate, "poisson")
    # Six standard deviations of a Poisson count; gaps of an exponential law deviate as much as they last.
    assert abs(len(offsets) - expected) < 6 * expected**0.5
    gaps = [b - a for a, b in pairwise(offsets)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert 0.75 < deviation / mean < 1.25


@settings(deadline=None)
@given(seeds, st.integers(1, 1000), st.integers(1, 5))
def test_constant_arrivals_are_evenly_spaced_from_the_start(seed: int, rate: int, length: int) -> None:
    offsets = arrivals(seed, rate, length, "constant")
    assert len(offsets) == rate * length
    assert offsets[0] == 0
    assert all(abs((b - a) - 1e9 / rate) <= 1 for a, b in pairwise(offsets))


@settings(deadline=None)
@given(seeds)
def test_requests_follow_their_weights(seed: int) -> None:
    counts = Counter(target.name for target in pick(seed, (PRODUCT, ORDER), 1200))
    assert abs(counts[0] - 900) < 6 * (1200 * 0.75 * 0.25) ** 0.5


@settings(deadline=None)
@given(seeds, st.integers(-1000, 1000), st.integers(0, 1000))
def test_placeholders_stay_in_their_range(seed: int, low: int, span: int) -> None:
    request = Request(name="r", get="/r/{id}?page={page}", values={
        "id": Values(uniform=(low, low + span)), "page": Values(uniform=(1, 2))})  # fmt: skip
    for target in pick(seed, (request,), 30):
        found = re.fullmatch(r"/r/(-?\d+)\?page=(\d+)", target.path)
        assert found
        assert low <= int(found[1]) <= low + span
        assert int(found[2]) in (1, 2)


def test_both_ends_of_a_range_are_drawn() -> None:
    coin = Request(name="coin", get="/{side}", values={"side": Values(uniform=(0, 1))})
    assert {target.path for target in pick(1, (coin,), 50)} == {"/0", "/1"}


def test_moments_do_not_depend_on_what_is_asked() -> None:
    alone = schedule(seed=5, rate=50, length_s=1, law="poisson", requests=(PRODUCT,))
    mixed = schedule(seed=5, rate=50, length_s=1, law="poisson", requests=(PRODUCT, ORDER))
    assert alone.offsets_ns == mixed.offsets_ns
    assert alone.sha256 != mixed.sha256


def test_bodies_are_json_and_methods_are_kept() -> None:
    (target,) = pick(1, (ORDER,), 1)
    assert (target.method, target.path, json.loads(target.body)) == ("POST", "/orders", {"customer": 7})


def test_list_of_a_seed_never_changes() -> None:
    """A recorded seed must reproduce its run in every later version."""
    plan = schedule(seed=42, rate=20, length_s=0.2, law="poisson", requests=(PRODUCT, ORDER))
    assert plan.offsets_ns == OFFSETS_OF_42
    assert [target.path for target in plan.targets] == PATHS_OF_42
    assert plan.sha256 == SHA_OF_42


@pytest.mark.parametrize(
    ("rate", "length"), [(0, 1), (-1, 1), (float("nan"), 1), (10, 0), (10, float("inf"))]
)
def test_impossible_rates_and_lengths_are_refused(rate: float, length: float) -> None:
    with pytest.raises(ValueError, match="cannot plan"):
        arrivals(1, rate, length, "poisson")


@pytest.mark.parametrize("weights", [(), (0,), (2, -1)])
def test_loads_without_weight_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="weight"):
        pick(1, [Request(name="r", get="/", weight=weight) for weight in weights], 3)
