"""What the load driver reads from answers, by each way of making requests, against what the server told."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from load_under_test import Loading, loading
from stock_under_test import Told
from web_under_test import serving

from lab.loads.open import BlockLoad, BlockOrder, Failure, Open
from lab.model.scenario import Observe, Request, Stage, Values
from lab.runner.answers import imbalance, stale_age_ms, stale_share

FEW = {"n": Values(uniform=(1, 4))}
SEES = Observe(version="version", key="n", backend="x-served-BY")
REQUESTS = (
    Request(name="change", post="/stock/{n}", values=FEW, observe=Observe(version="version", key="n", writes=True,
                                                                          backend="X-Served-By"), weight=2),
    Request(name="look", get="/stock/{n}", values=FEW, observe=SEES),
    Request(name="pieces", get="/pieces/{n}", values=FEW, observe=SEES),
    Request(name="old", get="/old/{n}", values=FEW, observe=SEES),
    Request(name="bare", get="/bare/{n}", values=FEW, weight=0.5),
)  # fmt: skip
WAYS: dict[str, dict[str, Any]] = {
    "fast": {"executor": "fast"},
    "flow": {"executor": "flow"},
    "closed": {"users": 4, "rate": 0},
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loading]:
    with loading(tmp_path_factory.mktemp("observing")) as one:
        yield one


def observed(load: BlockLoad) -> Counter[Told]:
    methods = {request.name: request.method for request in REQUESTS}
    return Counter(
        Told(methods[load.names[row["name"]]], int(row["key"]), int(row["version"]),
             load.backends[row["backend"] - 1] if row["backend"] else "")
        for row in load.samples
    )  # fmt: skip


def is_true(load: BlockLoad, told: list[Told]) -> None:
    assert set(load.samples["error"]) == {Failure.NONE} and len(told) > 50
    assert observed(load) == Counter(told)
    assert sorted(load.backends) == ["app-a", "app-b", "app-c"]
    assert {one.key for one in told} == {-1, 1, 2, 3, 4} and max(one.version for one in told) > 3


def is_judged_rightly(load: BlockLoad) -> None:
    stale = {of: stale_share(load.samples, load.names, REQUESTS, of) for of in ("look", "pieces", "old")}
    assert (
        stale["look"] == stale["pieces"] == 0
        and stale_share(load.samples, load.names, REQUESTS, "bare") is None
    )
    assert (stale["old"] or 0) > 0.5 and (stale_age_ms(load.samples, load.names, REQUESTS, "old") or 0) > 10
    assert 0 < (stale_share(load.samples, load.names, REQUESTS) or 0) < stale["old"]  # type: ignore[operator]
    balance, of_four = (imbalance(load.samples, load.backends, among) for among in (3, 4))
    assert balance is not None and balance < 0.02  # the server takes turns
    assert of_four == pytest.approx(1 / 3**0.5, rel=0.02)


@pytest.mark.parametrize("way", WAYS)
def test_versions_keys_and_instances_are_those_of_the_server(lab: Loading, way: str) -> None:
    with serving(delay_s=0.003) as site:
        load = lab.play(site.url, *REQUESTS, **({"rate": 300, "length_s": 0.6} | WAYS[way]))
        is_true(load, site.stock.told)
        is_judged_rightly(load)
    assert load.checks.executor == way


def test_without_observing_nothing_is_seen(lab: Loading) -> None:
    with serving() as site:
        load = lab.play(site.url, Request(name="look", get="/stock/{n}", values=FEW))
    assert set(load.samples["key"]) == set(load.samples["version"]) == {-1}
    assert set(load.samples["backend"]) == {0} and load.backends == ()


def test_an_answer_after_its_time_out_said_nothing(lab: Loading) -> None:
    with serving(delay_s=0.3) as site:
        late = lab.play(site.url, REQUESTS[1], timeout_s=0.1, length_s=0.1)
        assert len(site.stock.told) == len(late.samples) == 10
    assert set(late.samples["error"]) == {Failure.TIMEOUT}
    assert set(late.samples["version"]) == {-1} and late.backends == ()
    assert set(late.samples["key"]) <= {1, 2, 3, 4}


def test_two_workers_number_instances_alike(tmp_path: Path) -> None:
    driver = Open(tmp_path, own=lambda _: None, workers=2)
    try:
        driver.ready()
        with serving(delay_s=0.003) as site:
            order = BlockOrder(
                n=1,
                url=site.url,
                start_ns=time.monotonic_ns() + round(driver.lead_s(180) * 1e9),
                stages=(Stage(rate=300, length=0.6),),
                arrivals="poisson",
                seed=7,
                timeout_s=2.0,
                requests=REQUESTS,
                samples=tmp_path / "1.npy",
            )
            driver.begin(order)
            load = driver.finish(20)
            is_true(load, site.stock.told)
            is_judged_rightly(load)
    finally:
        driver.close()
    assert load.checks.workers == 2
