"""To whom the policies of the balancing modules give requests, by what they know at that moment."""

from __future__ import annotations

from collections import Counter

import pytest

from sample_app.balancer.backends import Backends
from sample_app.balancer.policy import Request
from sample_app.problems import misweighted_backends, mixed_workload, uneven_load

PAGE = Request("GET", "/products/7")
ALIKE = Request("GET", "/reports/alike/7")
EXPORT = Request("GET", "/reports/orders.csv")


@pytest.fixture
def three() -> Backends:
    return Backends([f"http://127.0.0.1:{port}" for port in (1, 2, 3)])


def shares(policy, request: Request, among: int) -> Counter[str]:
    return Counter(policy.pick(request).name for _ in range(among))


@pytest.mark.parametrize("variant", uneven_load.VARIANTS)
def test_equally_busy_backends_get_about_the_same(variant, three: Backends) -> None:
    counted = shares(variant(three), PAGE, 3000)
    assert all(800 < counted[one.name] < 1200 for one in three)


def test_the_least_busy_is_picked(three: Backends) -> None:
    three[0].in_flight, three[1].in_flight, three[2].in_flight = 2, 9, 1
    assert shares(uneven_load.least_connections(three), PAGE, 9) == {"app-3": 9}
    counted = shares(uneven_load.power_of_two_choices(three), PAGE, 600)
    assert counted["app-2"] == 0
    assert counted["app-3"] > counted["app-1"] > 0


@pytest.mark.parametrize(
    "variant", (*uneven_load.VARIANTS, *misweighted_backends.VARIANTS, *mixed_workload.VARIANTS)
)
@pytest.mark.parametrize("request_", (PAGE, ALIKE, EXPORT))
def test_neither_the_tried_nor_the_unhealthy_are_picked(variant, request_, three: Backends) -> None:
    policy = variant(three)
    three.mark(three[0], False)
    tried = Request(request_.method, request_.path, tried=(three[1],))
    assert shares(policy, tried, 9) == {"app-3": 9}
    three.mark(three[2], False)
    assert policy.pick(tried) is None


def test_shares_follow_the_weights_and_turns_are_spread(three: Backends) -> None:
    assert shares(misweighted_backends.adjust_weights(three), PAGE, 290) == {
        "app-1": 140,
        "app-2": 10,
        "app-3": 140,
    }
    policy = misweighted_backends.problem(three)
    turns = [policy.pick(PAGE).name for _ in range(8)]
    assert turns == ["app-2", "app-1", "app-3", "app-2"] * 2


def test_reports_have_a_pool_of_their_own(three: Backends) -> None:
    policy = mixed_workload.dedicated_pool(three)
    assert shares(policy, PAGE, 10) == {"app-1": 5, "app-2": 5}
    assert shares(policy, ALIKE, 4) == shares(policy, EXPORT, 4) == {"app-3": 4}


def test_reports_go_by_the_metrics_and_pages_in_turn(three: Backends) -> None:
    seen = mixed_workload.Seen(three)
    seen.cpu.update({"app-1": 0.9, "app-2": 0.1, "app-3": 0.5})
    seen.memory.update({"app-1": 100e6, "app-2": 300e6, "app-3": 200e6})
    pick = mixed_workload.by_metrics(three, seen)
    assert pick(ALIKE) is three[1]
    assert pick(EXPORT) is three[0]
    assert [pick(PAGE) for _ in range(3)] == list(three)
