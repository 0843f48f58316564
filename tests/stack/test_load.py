"""The load driver against servers whose behaviour is known."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from processes_under_test import gone, orphan, until
from web_under_test import serving

from lab.driver.schedule import schedule
from lab.errors import EnvironmentFailed
from lab.loads.open import BlockLoad, BlockOrder, Failure, Open
from lab.model.scenario import Expect, Request, Stage, Values

QUIET_TRIES = 5  # a busy machine is late by itself; a slow driver would be late every time
BROADCAST = "255.255.255.255"
OK = Request(name="ok", get="/ok")


@dataclass
class Bench:
    """One driver for all tests of this file; every test orders blocks of it."""

    driver: Open
    folder: Path
    n: Iterator[int] = field(default_factory=lambda: count(1))

    def order(
        self,
        url: str,
        *requests: Request,
        rate: float = 100,
        length_s: float = 0.5,
        arrivals: Literal["poisson", "constant"] = "poisson",
        seed: int = 7,
        timeout_s: float = 2.0,
    ) -> BlockOrder:
        n = next(self.n)
        return BlockOrder(
            n=n,
            url=url,
            start_ns=time.monotonic_ns() + round(0.05 * 1e9),
            stages=(Stage(rate=rate, length=length_s),),
            arrivals=arrivals,
            seed=seed,
            timeout_s=timeout_s,
            requests=requests or (OK,),
            samples=self.folder / "samples" / f"{n}.npy",
        )

    def run(self, order: BlockOrder) -> BlockLoad:
        self.driver.begin(order)
        return self.driver.finish(order.length_s + order.timeout_s + 10)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("load")
    driver = Open(folder, own=lambda _: None, allow=(BROADCAST,))
    try:
        driver.ready()
        yield Bench(driver, folder)
    finally:
        driver.close()


def errors(load: BlockLoad) -> dict[Failure, int]:
    codes, counts = np.unique(load.samples["error"], return_counts=True)
    return {Failure(int(code)): int(n) for code, n in zip(codes, counts, strict=True)}


def test_latency_of_a_known_delay(bench: Bench) -> None:
    with serving(delay_s=0.02) as site:
        order = bench.order(site.url, rate=150, length_s=1.0)
        load = bench.run(order)
    rows, checks = load.samples, load.checks
    assert errors(load) == {Failure.NONE: len(rows)}
    assert np.median(load.latency_s) > 0.0195
    assert rows["due_ns"].min() >= order.start_ns
    assert rows["due_ns"].max() < order.start_ns + 1e9
    assert set(rows["status"]) == {200} and set(rows["bytes"]) == {5}
    assert checks.asked == checks.sent == checks.answered == checks.counted == len(site.requests) == len(rows)
    assert checks.achieved == 1.0 and checks.idle_connections and checks.queued == 0
    assert 0 < checks.cpu_share_max < 0.7
    assert site.connections < 30


def test_driver_adds_next_to_nothing(bench: Bench) -> None:
    with serving(delay_s=0.02) as site:
        tries = (bench.run(bench.order(site.url, rate=150)) for _ in range(QUIET_TRIES))
        # Half a millisecond is what a timer of whole milliseconds would be late by.
        assert any(
            load.checks.schedule_error_p50_s < 0.0005 and np.median(load.latency_s) < 0.025 for load in tries
        )


def test_stall_is_seen_by_every_request_that_was_due_in_it(bench: Bench) -> None:
    """Coordinated omission: a client that waits for answers would send one request into the stall."""
    with serving() as site:
        order = bench.order(site.url, rate=200, length_s=1.0, arrivals="constant")
        stall = site.stall(order.start_ns + 250_000_000, 0.5)
        load = bench.run(order)
        start, end = stall.result(5)
    due = load.samples["due_ns"]
    # A millisecond before the stall a request may be under way.
    caught = (due > start) & (due < end - 1_000_000)
    assert errors(load) == {Failure.NONE: 200}
    assert caught.sum() >= 95
    truth_s = (end - due[caught]) / 1e9
    overrun_s = load.latency_s[caught] - truth_s
    assert overrun_s.min() >= 0
    assert np.median(overrun_s) < 0.05
    assert np.median(load.latency_s[due > end + 100_000_000]) < 0.02
    assert np.median(load.latency_s[due < start - 100_000_000]) < 0.02


def test_nobody_listening(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    load = bench.run(bench.order(f"http://127.0.0.1:{port}"))
    assert errors(load) == {Failure.REFUSED: len(load.samples)}
    assert load.checks.answered == 0 and load.checks.achieved == 1.0
    assert set(load.samples["status"]) == {0}


def test_time_out_is_the_latency_of_what_is_not_answered(bench: Bench) -> None:
    with serving() as site:
        order = bench.order(site.url, Request(name="hang", get="/hang"), timeout_s=0.3)
        load = bench.run(order)
        took_s = (time.monotonic_ns() - order.start_ns) / 1e9
    assert errors(load) == {Failure.TIMEOUT: len(load.samples)}
    assert load.latency_s == pytest.approx(0.3)
    assert load.checks.sent == len(load.samples) and load.checks.answered == 0
    assert took_s < 2


@pytest.mark.parametrize(
    ("path", "status", "failure", "size"),
    [
        ("/fail", 500, Failure.STATUS, 5),
        ("/missing", 404, Failure.STATUS, 5),
        ("/nothing", 204, Failure.NONE, 0),
        ("/chunked", 200, Failure.NONE, 5),
        ("/early", 200, Failure.NONE, 5),
        ("/last", 200, Failure.NONE, 5),
        ("/moved", 302, Failure.NONE, 5),
        ("/large", 200, Failure.NONE, 200_006),
        ("/garbage", 0, Failure.PROTOCOL, 0),
        ("/half", 0, Failure.RESET, 0),
        ("/drop", 0, Failure.RESET, 0),
    ],
)
def test_answers_of_every_kind(bench: Bench, path: str, status: int, failure: Failure, size: int) -> None:
    with serving() as site:
        load = bench.run(bench.order(site.url, Request(name="r", get=path), length_s=0.2))
    assert len(load.samples) > 5
    assert errors(load) == {failure: len(load.samples)}
    assert set(load.samples["status"]) == {status} and set(load.samples["bytes"]) == {size}


@pytest.mark.parametrize(
    ("path", "expect", "failure"),
    [
        ("/ok", Expect(status=(200, 201)), Failure.NONE),
        ("/ok", Expect(status=(201,)), Failure.STATUS),
        ("/missing", Expect(status=(404,)), Failure.NONE),
        ("/ok", Expect(contains="hello"), Failure.NONE),
        ("/ok", Expect(contains="Content-Length"), Failure.CONTENT),
        ("/chunked", Expect(contains="hello"), Failure.NONE),
        ("/chunked", Expect(contains="goodbye"), Failure.CONTENT),
        ("/large", Expect(contains="xneedle"), Failure.NONE),
        ("/fail", Expect(contains="hello"), Failure.STATUS),
    ],
)
def test_answers_that_are_not_what_was_expected(
    bench: Bench, path: str, expect: Expect, failure: Failure
) -> None:
    with serving() as site:
        load = bench.run(bench.order(site.url, Request(name="r", get=path, expect=expect), length_s=0.2))
    assert errors(load) == {failure: len(load.samples)}


@pytest.mark.parametrize("path", ["/endless", "/headless"])
def test_an_answer_that_never_ends_is_a_time_out(bench: Bench, path: str) -> None:
    with serving() as site:
        order = bench.order(site.url, Request(name="r", get=path), length_s=0.2, timeout_s=0.3)
        load = bench.run(order)
        after = bench.run(bench.order(site.url, length_s=0.2))
    assert errors(load) == {Failure.TIMEOUT: len(load.samples)}
    assert errors(after) == {Failure.NONE: len(after.samples)}


def test_a_host_that_cannot_be_reached(bench: Bench) -> None:
    """No TCP connection to the broadcast address is ever tried: the system refuses it on the spot."""
    load = bench.run(bench.order(f"http://{BROADCAST}:80", length_s=0.2))
    assert errors(load) == {Failure.UNREACHABLE: len(load.samples)}
    assert load.checks.kept_off == ()  # the system refused it, not the lab


def test_a_hundred_thousand_paths(bench: Bench) -> None:
    """Each path is sent as drawn; statistics stay those of one name."""
    page = Request(name="page", get="/ok/{id}", values={"id": Values(sequence=(1, 100_000))})
    with serving() as site:
        order = bench.order(site.url, page, rate=2000, length_s=1.0)
        load = bench.run(replace(order, start_ns=order.start_ns + 500_000_000))
        asked = {path for _, path, _ in site.requests}
    assert len(load.samples) > 1700
    assert asked == {f"/ok/{k}" for k in range(1, len(load.samples) + 1)}
    assert load.names == ("page",)


def test_headers_and_queries_arrive(bench: Bench) -> None:
    asked = Request(
        name="search", get="/ok", query={"q": "{word} & co"}, headers={"X-Tenant": "{word}"},
        values={"word": Values(uniform=(7, 7))},
    )  # fmt: skip
    with serving() as site:
        load = bench.run(bench.order(site.url, asked, length_s=0.2))
        assert {path for _, path, _ in site.requests} == {"/ok?q=7%20%26%20co"}
        assert all("\r\nX-Tenant: 7" in head for head in site.heads)
    assert len(load.samples) > 5


def test_a_cap_makes_requests_wait_in_order(bench: Bench) -> None:
    with serving(delay_s=0.02) as site:
        bench.run(bench.order(site.url, rate=400, length_s=0.2))
        assert len(site.open) > 2
        load = bench.run(replace(bench.order(site.url, rate=200, arrivals="constant"), connections=2))
        assert len(site.open) == 2 and load.checks.connections == 2
    rows = load.samples
    assert errors(load) == {Failure.NONE: len(rows)}
    assert load.checks.queued > 50 and not load.checks.idle_connections
    assert np.all(np.diff(rows["sent_ns"]) > 0)
    assert load.latency_s[-1] > 0.3 > 0.1 > np.median(rows["done_ns"] - rows["sent_ns"]) / 1e9


def test_same_seed_asks_every_app_the_same_at_the_same_moments(bench: Bench) -> None:
    requests = (
        Request(name="product", get="/ok/{id}", values={"id": Values(uniform=(1, 5000))}, weight=2),
        Request(name="order", post="/ok/order", body={"lines": [1, 2]}),
    )
    with serving() as one, serving() as other:
        first = bench.order(one.url, *requests)
        loads = [bench.run(first)]
        for url, seed in ((other.url, 7), (other.url, 8)):
            loads.append(bench.run(bench.order(url, *requests, seed=seed)))
        asked = [sorted(one.requests), sorted(other.requests[: len(loads[1].samples)])]
    offsets = [load.samples["due_ns"] - load.samples["due_ns"][0] for load in loads]
    assert asked[0] == asked[1]
    assert np.array_equal(offsets[0], offsets[1]) and not np.array_equal(offsets[0], offsets[2])
    assert loads[0].schedule_sha256 == loads[1].schedule_sha256 != loads[2].schedule_sha256
    assert {body for method, _, body in asked[0] if method == "POST"} == {b'{"lines":[1,2]}'}
    plan = schedule(seed=7, stages=first.stages, law="poisson", requests=requests)
    assert (loads[0].samples["due_ns"] - first.start_ns).tolist() == list(plan.offsets_ns)
    assert loads[0].samples["name"].tolist() == [target.name for target in plan.targets]
    assert loads[0].names == ("product", "order")


def test_blocks_follow_each_other_in_one_process_and_on_kept_connections(bench: Bench) -> None:
    with serving(delay_s=0.002) as site:
        pid = bench.driver.ready().pid
        orders = [bench.order(site.url, length_s=0.2) for _ in range(4)]
        for order in orders:
            start = time.monotonic_ns() + round(0.05 * 1e9)
            load = bench.run(replace(order, start_ns=start))
            assert load.n == order.n and errors(load) == {Failure.NONE: len(load.samples)}
        assert site.most_open == site.connections < 15
    assert bench.driver.pid == pid and not gone(pid)


def test_connections_closed_while_idle_are_no_errors(bench: Bench) -> None:
    with serving() as site:
        bench.run(bench.order(site.url, length_s=0.2))
        site.hang_up()
        load = bench.run(bench.order(site.url, length_s=0.2))
    assert errors(load) == {Failure.NONE: len(load.samples)}
    assert load.checks.retried == 0


@pytest.mark.parametrize("method", ["get", "post"])
def test_connection_closed_under_a_request_is_tried_again_for_get_only(bench: Bench, method: str) -> None:
    with serving() as site:
        once = Request(name="once", **{method: "/once"})  # type: ignore[arg-type]
        load = bench.run(bench.order(site.url, once, rate=50))
    if method == "get":
        assert errors(load) == {Failure.NONE: len(load.samples)}
        assert load.checks.retried > 5
    else:
        assert errors(load)[Failure.RESET] > 5
        assert load.checks.retried == 0


def test_app_that_never_answers_does_not_break_the_generator(bench: Bench) -> None:
    """Above the cap, requests wait in line: their waiting is latency, not an error of the generator."""
    with serving() as site:
        hang = Request(name="hang", get="/hang")
        full = bench.run(bench.order(site.url, hang, rate=1500, timeout_s=1.0))
        after = bench.run(bench.order(site.url))
    assert len(full.samples) > 600
    assert errors(full) == {Failure.TIMEOUT: len(full.samples)}
    assert full.latency_s == pytest.approx(1.0)
    assert full.checks.queued > 100 and not full.checks.idle_connections
    assert 512 <= site.most_open < 560
    assert errors(after) == {Failure.NONE: len(after.samples)}


def test_window_without_requests_lasts_as_long(bench: Bench) -> None:
    with serving() as site:
        order = bench.order(site.url, rate=0.001, length_s=0.3)
        load = bench.run(order)
    assert len(load.samples) == 0 and load.checks.asked == 0
    assert time.monotonic_ns() >= order.start_ns + 300_000_000


def test_orders_that_cannot_be_run_say_why(bench: Bench) -> None:
    with pytest.raises(EnvironmentFailed, match="not an http address"):
        bench.run(bench.order("ftp://127.0.0.1:1"))
    with pytest.raises(EnvironmentFailed, match="nothing is ever due"):
        bench.run(bench.order("http://127.0.0.1:1", rate=0))
    with serving() as site:
        order = bench.order(site.url, length_s=0.1)
        order.samples.parent.mkdir(exist_ok=True)
        order.samples.mkdir()
        with pytest.raises(EnvironmentFailed, match="Is a directory"):
            bench.run(order)
        assert len(bench.run(bench.order(site.url)).samples) > 10


def test_driver_that_dies_is_named_with_its_log(tmp_path: Path) -> None:
    driver = Open(tmp_path, own=lambda _: None)
    try:
        driver.ready()
        with serving() as site:
            driver.begin(Bench(driver, tmp_path).order(site.url, length_s=5))
            os.kill(driver.pid, signal.SIGKILL)
            with pytest.raises(EnvironmentFailed, match="ended by itself") as failed:
                driver.finish(10)
        assert "All users spawned" in failed.value.why
        with pytest.raises(EnvironmentFailed):
            driver.begin(Bench(driver, tmp_path).order(site.url))
            driver.finish(10)
    finally:
        driver.close()


def test_driver_ends_with_its_parent(tmp_path: Path) -> None:
    start = "from lab.loads.open import Open; it = Open(folder, own=lambda r: None); it.ready()"
    pid = orphan(start, tmp_path)
    until(lambda: gone(pid), f"driver {pid} gone")


def test_driver_says_how_it_is_scheduled(bench: Bench) -> None:
    ready = bench.driver.ready()
    if sys.platform == "linux":
        realtime = os.sched_getscheduler(ready.pid) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR
        assert (ready.scheduling == "realtime") is realtime
    raised = os.getpriority(os.PRIO_PROCESS, ready.pid) < os.getpriority(os.PRIO_PROCESS, 0)
    assert (ready.scheduling == "raised") is raised


def test_driver_is_owned_and_ends_when_closed(tmp_path: Path) -> None:
    owned = []
    driver = Open(tmp_path, own=owned.append)
    assert owned == [{"process": driver.pid}]
    driver.close()
    driver.close()
    assert gone(driver.pid)
