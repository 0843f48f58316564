"""The request list: inside its window, at its rate, and the same for the same seed on every machine."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.driver.schedule import MOST_ARRIVALS, Law, arrivals, pick, schedule
from lab.model.scenario import Request, Stage, Values

seeds = st.integers(0, 2**64 - 1)
laws: st.SearchStrategy[Law] = st.sampled_from(["poisson", "constant"])
rates = st.floats(0.5, 2000)
lengths = st.floats(0.05, 2)
some_rates = st.just(0.0) | st.floats(1, 1500)
stages = st.builds(Stage, rate=some_rates, to=st.none() | some_rates, length=st.floats(0.02, 0.5))
loads = st.lists(stages, min_size=1, max_size=5).filter(lambda load: sum(one.arrivals for one in load) > 1)

OFFSETS_OF_42 = (30649815, 126389124, 180741512, 270103920, 337696268, 370429225, 372357738)
PATHS_OF_42 = [
    "/products/17",
    "/orders",
    "/products/46",
    "/products/21",
    "/products/27",
    "/products/44",
    "/products/27",
]
SHA_OF_42 = "e2639668ec3b1b7db7fee0788e8d4d716781d5d2e51d7690d060069d1a37f6c2"

PRODUCT = Request(name="product", get="/products/{id}", values={"id": Values(uniform=(1, 50))}, weight=3)
ORDER = Request(name="order", post="/orders", body={"customer": 7})


def flat(rate: float, length: float) -> tuple[Stage, ...]:
    return (Stage(rate=rate, length=length),)


def end_ns(load: Sequence[Stage]) -> int:
    return round(sum(stage.length for stage in load) * 1e9)


def due_by(load: Sequence[Stage], at_ns: int) -> float:
    """The integral of the rate up to a moment, by its definition."""
    left, passed = at_ns / 1e9, 0.0
    for stage in load:
        part = max(0.0, min(left, stage.length))
        to = stage.rate if stage.to is None else stage.to
        passed += part * (stage.rate + (to - stage.rate) * part / stage.length / 2)
        left -= part
    return passed


@settings(deadline=None)
@given(seeds, loads, laws)
def test_arrivals_are_sorted_and_inside_the_window(seed: int, load: list[Stage], law: Law) -> None:
    offsets = arrivals(seed, load, law)
    assert list(offsets) == sorted(offsets)
    assert all(0 <= at < end_ns(load) for at in offsets)


@settings(deadline=None)
@given(seeds, loads, laws)
def test_equal_orders_make_equal_lists(seed: int, load: list[Stage], law: Law) -> None:
    first, second = (schedule(seed=seed, stages=load, law=law, requests=(PRODUCT, ORDER)) for _ in range(2))
    assert first == second


@settings(deadline=None)
@given(loads)
def test_constant_arrivals_come_each_time_one_more_is_due(load: list[Stage]) -> None:
    offsets = arrivals(1, load, "constant")
    assert abs(len(offsets) - due_by(load, end_ns(load))) <= 1
    for k, at in enumerate(offsets):  # a nanosecond early or late is worth this much at the steepest rate
        assert abs(due_by(load, at) - k) < 1e-5


@settings(deadline=None)
@given(seeds, st.floats(50, 2000), st.floats(0, 2000))
def test_poisson_arrivals_of_a_ramp_follow_its_integral(seed: int, start: float, end: float) -> None:
    length = 2000 / (start + end)
    load = (Stage(rate=start, to=end, length=length),)
    offsets = arrivals(seed, load, "poisson")
    for part in (0.25, 0.5, 1.0):
        at = round(length * part * 1e9)
        assert abs(bisect_left(offsets, at) - due_by(load, at)) < 6 * due_by(load, at) ** 0.5 + 6


@settings(deadline=None)
@given(seeds, laws)
def test_nothing_is_due_in_a_silent_stage(seed: int, law: Law) -> None:
    load = (*flat(300, 0.2), *flat(0, 0.3), *flat(300, 0.2))
    offsets = arrivals(seed, load, law)
    assert not [at for at in offsets if 200_000_000 <= at < 500_000_000]
    assert min(offsets) < 200_000_000 < 500_000_000 <= max(offsets)


def test_constant_arrivals_keep_their_distance_across_stages() -> None:
    whole = arrivals(1, flat(30, 1.0), "constant")
    assert arrivals(1, [*flat(30, 0.1)] * 10, "constant") == pytest.approx(whole, abs=2)


def test_a_rate_that_falls_to_zero_ends_there() -> None:
    offsets = arrivals(1, (Stage(rate=100, to=0, length=1.0), *flat(0, 1.0)), "constant")
    assert len(offsets) == 50
    assert offsets[-1] < 1_000_000_000


def test_a_block_may_by_chance_be_empty() -> None:
    plan = schedule(seed=1, stages=flat(1e-300, 0.5), law="poisson", requests=(PRODUCT,))
    assert (plan.offsets_ns, plan.targets) == ((), ())


@settings(deadline=None)
@given(seeds, st.floats(10, 200))
def test_poisson_arrivals_have_their_rate_and_spread(seed: int, rate: float) -> None:
    expected = 1000.0
    offsets = arrivals(seed, flat(rate, expected / rate), "poisson")
    # Six standard deviations of a Poisson count; gaps of an exponential law deviate as much as they last.
    assert abs(len(offsets) - expected) < 6 * expected**0.5
    gaps = [b - a for a, b in pairwise(offsets)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert 0.75 < deviation / mean < 1.25


@settings(deadline=None)
@given(seeds, st.integers(1, 1000), st.integers(1, 5))
def test_constant_arrivals_are_evenly_spaced_from_the_start(seed: int, rate: int, length: int) -> None:
    offsets = arrivals(seed, flat(rate, length), "constant")
    assert len(offsets) == rate * length
    assert offsets[0] == 0
    assert all(abs((b - a) - 1e9 / rate) <= 1 for a, b in pairwise(offsets))


@settings(deadline=None)
@given(seeds)
def test_requests_follow_their_weights(seed: int) -> None:
    counts = Counter(target.name for target in pick(seed, (PRODUCT, ORDER), 1200))
    assert abs(counts[0] - 900) < 6 * (1200 * 0.75 * 0.25) ** 0.5


def test_both_ends_of_a_range_are_drawn() -> None:
    coin = Request(name="coin", get="/{side}", values={"side": Values(uniform=(0, 1))})
    assert {target.path for target in pick(1, (coin,), 50)} == {"/0", "/1"}


def test_moments_do_not_depend_on_what_is_asked() -> None:
    alone = schedule(seed=5, stages=flat(50, 1), law="poisson", requests=(PRODUCT,))
    mixed = schedule(seed=5, stages=flat(50, 1), law="poisson", requests=(PRODUCT, ORDER))
    assert alone.offsets_ns == mixed.offsets_ns
    assert alone.sha256 != mixed.sha256


def test_a_locustfile_needs_moments_alone() -> None:
    plan = schedule(seed=5, stages=flat(50, 1), law="poisson", requests=())
    assert plan.offsets_ns == arrivals(5, flat(50, 1), "poisson")
    assert plan.targets == ()


def test_the_sum_tells_lists_apart() -> None:
    """The same bytes in another place, or the same two requests in another order, are another list."""
    ask = {"seed": 5, "stages": flat(50, 1), "law": "constant"}
    one, other = Request(name="a", post="/a", body="b"), Request(name="a", post="/a", headers={"b": "c"})
    lists = [(one,), (other,), (one, other), (other, one), (one, one), ()]
    sums = [schedule(**ask, requests=requests).sha256 for requests in lists]  # type: ignore[arg-type]
    assert len(set(sums)) == len(lists)


def test_list_of_a_seed_never_changes() -> None:
    """A recorded seed must reproduce its run in every later version."""
    plan = schedule(seed=42, stages=flat(20, 0.4), law="poisson", requests=(PRODUCT, ORDER))
    assert plan.offsets_ns == OFFSETS_OF_42
    assert [target.path for target in plan.targets] == PATHS_OF_42
    assert plan.sha256 == SHA_OF_42


@pytest.mark.parametrize(
    "load",
    [
        (),
        flat(0, 1),
        (*flat(0, 1), Stage(rate=0, to=0, length=1)),
        flat(-1, 1),
        flat(float("nan"), 1),
        flat(float("inf"), 1),
        (Stage(rate=1, to=float("inf"), length=1),),
        (Stage(rate=1, to=-1, length=1),),
        flat(10, 0),
        flat(10, -1),
        flat(10, float("inf")),
        flat(10, float("nan")),
        flat(MOST_ARRIVALS, 1.1),
        flat(1e300, 1e300),
    ],
)
@pytest.mark.parametrize("law", ["poisson", "constant"])
def test_impossible_rates_and_lengths_are_refused(load: tuple[Stage, ...], law: Law) -> None:
    with pytest.raises(ValueError, match="cannot plan"):
        arrivals(1, load, law)


@pytest.mark.parametrize("weights", [(), (0,), (2, -1)])
def test_loads_without_weight_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="weight"):
        pick(1, [Request(name="r", get="/", weight=weight) for weight in weights], 3)
