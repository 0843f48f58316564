"""Who makes the requests of a block, and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.driver.choice import choose
from lab.model.load import BlockOrder
from lab.model.scenario import Request, Stage

PLAIN = BlockOrder(
    n=1,
    url="http://127.0.0.1:8000",
    start_ns=0,
    stages=(Stage(rate=100, length=1.0),),
    arrivals="poisson",
    seed=1,
    timeout_s=2.0,
    requests=(Request(name="home", get="/"),),
    samples=Path("1.npy"),
)
JOURNEYS = replace(PLAIN, requests=(), locustfile=Path("/loads/shop_users.py"))
ENCRYPTED = replace(PLAIN, url="https://127.0.0.1:8000")


def test_plain_requests_are_fast() -> None:
    assert choose(PLAIN) == ("fast", "")
    assert choose(replace(PLAIN, executor="fast")) == ("fast", "")


@pytest.mark.parametrize(
    ("order", "because"),
    [
        (JOURNEYS, "its journeys are those of shop_users.py"),
        (ENCRYPTED, "https is not plain http"),
        (replace(PLAIN, executor="flow"), "it was asked for"),
    ],
)
def test_what_fast_cannot_do_goes_to_flow_and_says_why(order: BlockOrder, because: str) -> None:
    assert choose(order) == ("flow", because)
    assert choose(replace(order, executor="flow")) == ("flow", because)


@pytest.mark.parametrize("order", [JOURNEYS, ENCRYPTED])
def test_fast_is_not_taken_for_what_it_cannot_do(order: BlockOrder) -> None:
    with pytest.raises(
        ValueError, match=r"the fast executor cannot run this load: .*(shop_users|plain http)"
    ):
        choose(replace(order, executor="fast"))


@pytest.mark.parametrize("order", [PLAIN, JOURNEYS, ENCRYPTED])
def test_users_who_wait_are_closed_load(order: BlockOrder) -> None:
    assert choose(replace(order, users=3)) == ("closed", "its users wait for their answers")


def test_closed_load_without_users_is_none() -> None:
    with pytest.raises(ValueError, match="say how many users"):
        choose(replace(PLAIN, executor="closed"))
