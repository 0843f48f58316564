"""Clients that try again, against a server that fails the first tries of each request in a known way."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from load_under_test import Loading, failures, loading

from lab.loads.open import BlockLoad, Failure, Open
from lab.model.load import Retry
from lab.model.scenario import Request, Values

ASKED = Request(name="asked", get="/{n}", values={"n": Values(sequence=(1, 100_000))})
RETRY = Retry(tries=3, after_s=0.04, timeout_s=0.15)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ANSWERS = {
    "fail": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno",
    "chunked": b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
    "garbage": b"SSH-2.0-OpenSSH\r\n\r\n",
    "half": b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf",
}


@dataclass
class Flaky:
    """Fails the first ``first`` tries of each path: an answer, ``half`` of one before the end, or none (``hang``).
    ``asked`` are the moments in which each was asked, ``abandoned`` counts connections that a client closed."""

    how: str = "fail"
    first: int = 0
    url: str = ""
    asked: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    abandoned: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hung = False
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ", 2)[1].decode()
                self.asked[path].append(time.monotonic_ns())
                fails = len(self.asked[path]) <= self.first
                hung = fails and self.how == "hang"
                if not hung:
                    writer.write(ANSWERS[self.how] if fails else OK)
                if fails and self.how in ("half", "garbage"):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            self.abandoned += hung
        finally:
            writer.close()


@contextmanager
def flaky(how: str = "fail", first: int = 0) -> Iterator[Flaky]:
    site, loop = Flaky(how, first), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(
        asyncio.start_server(site.serve, "127.0.0.1", 0, backlog=1024), loop
    ).result(5)
    site.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def stop() -> None:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    try:
        yield site
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loading]:
    with loading(tmp_path_factory.mktemp("retries")) as driver:
        yield driver


def is_sound(load: BlockLoad, site: Flaky) -> None:
    """Every planned request is one row, and the generator was not late, whatever had to be asked again."""
    rows, checks = load.samples, load.checks
    assert checks.asked == checks.recorded == checks.counted == len(rows)
    assert checks.sent == len(rows) and checks.achieved == 1.0 and checks.queued == 0
    assert int(rows["tries"].sum()) == sum(len(moments) for moments in site.asked.values())
    assert len(site.asked) == len(rows)


@pytest.mark.parametrize("how", ["fail", "chunked", "garbage", "half", "hang"])
def test_a_request_lasts_from_its_due_moment_to_its_first_good_answer(driver: Loading, how: str) -> None:
    with flaky(how, first=2) as site:
        load = driver.play(site.url, ASKED, rate=60, length_s=0.5, retry=RETRY)
    is_sound(load, site)
    rows = load.samples
    assert failures(load) == {Failure.NONE} and set(rows["tries"]) == {3} and set(rows["status"]) == {200}
    waited_s = 2 * (RETRY.after_s + (RETRY.timeout_s if how == "hang" else 0))
    # The server answers at once, so that nearly all of it is what the clients wait.
    assert load.latency_s.min() >= 0.95 * waited_s
    assert np.median(load.latency_s) < 4 * waited_s
    between_s = np.diff(list(site.asked.values()), axis=1) / 1e9
    assert between_s.min() > waited_s / 2 - 0.01
    assert site.abandoned == (2 * len(rows) if how == "hang" else 0)


def test_what_fails_every_time_ends_with_its_last_failure(driver: Loading) -> None:
    with flaky("hang", first=99) as site:
        load = driver.play(site.url, ASKED, rate=60, length_s=0.5, retry=RETRY)
    is_sound(load, site)
    assert failures(load) == {Failure.TIMEOUT} and set(load.samples["tries"]) == {3}
    whole_s = 3 * RETRY.timeout_s + 2 * RETRY.after_s
    assert load.latency_s.min() >= 0.95 * whole_s and np.median(load.latency_s) < 1.8 * whole_s
    with flaky("fail", first=99) as site:
        load = driver.play(site.url, ASKED, rate=60, length_s=0.5, retry=RETRY)
    is_sound(load, site)
    assert failures(load) == {Failure.STATUS} and set(load.samples["status"]) == {503}


def test_nothing_is_asked_twice_of_a_healthy_server_nor_without_such_clients(driver: Loading) -> None:
    with flaky() as site:
        load = driver.play(site.url, ASKED, retry=RETRY)
        is_sound(load, site)
        assert failures(load) == {Failure.NONE} and set(load.samples["tries"]) == {1}
    with flaky(first=99) as site:
        load = driver.play(site.url, ASKED)  # the block before leaves no such clients behind
        is_sound(load, site)
        assert failures(load) == {Failure.STATUS} and set(load.samples["tries"]) == {1}


def test_tries_take_turns_at_too_few_connections(driver: Loading) -> None:
    with flaky("hang", first=1) as site:
        load = driver.play(site.url, ASKED, rate=80, length_s=0.3, timeout_s=4.0, retry=RETRY, connections=4)
    rows = load.samples
    assert failures(load) == {Failure.NONE} and set(rows["tries"]) == {2}
    assert load.checks.queued > 0 and not load.checks.idle_connections
    assert load.checks.schedule_error_p50_s < RETRY.timeout_s  # waiting is no lateness of the generator
    assert site.abandoned == len(rows)


def test_workers_share_the_tries(tmp_path: Path) -> None:
    driver = Open(tmp_path, own=lambda _: None, workers=2)
    try:
        driver.ready()
        with flaky("fail", first=1) as site:
            load = Loading(driver, tmp_path).play(site.url, ASKED, rate=200, retry=RETRY)
    finally:
        driver.close()
    is_sound(load, site)
    assert load.checks.workers == 2 and set(load.samples["tries"]) == {2}


def test_a_load_that_cannot_try_again_is_refused(driver: Loading) -> None:
    with pytest.raises(Exception, match="by the fast executor alone"):
        driver.play("http://127.0.0.1:1", ASKED, retry=RETRY, executor="flow")
