"""Load shared among processes and machines: Locust's own distributed mode, and what it adds up to."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from processes_under_test import gone, until
from web_under_test import serving

from lab.errors import EnvironmentFailed
from lab.loads import open as load_kind
from lab.loads.open import BlockLoad, BlockOrder, Failure, Open
from lab.model.histogram import Histogram
from lab.model.scenario import Request, Stage, Values

REQUESTS = (
    Request(name="product", get="/ok/{id}", values={"id": Values(uniform=(1, 5000))}, weight=2),
    Request(name="next", get="/ok/next/{n}", values={"n": Values(sequence=(1, 10_000))}),
    Request(name="order", post="/ok/order", body={"lines": [1, 2]}),
)
LAB = (sys.executable, "-P", "-m", "lab")
DAY_S = 86_400
numbers = count(1)


def ordered(driver: Open, url: str, folder: Path, *, rate: float = 200, length_s: float = 0.5) -> BlockOrder:
    n = next(numbers)
    return BlockOrder(
        n=n,
        url=url,
        start_ns=time.monotonic_ns() + round(driver.lead_s(rate * length_s) * 1e9),
        stages=(Stage(rate=rate, length=length_s),),
        arrivals="poisson",
        seed=7,
        timeout_s=1.0,
        requests=REQUESTS,
        samples=folder / f"{n}.npy",
    )


def run(driver: Open, order: BlockOrder) -> BlockLoad:
    driver.begin(order)
    return driver.finish(order.length_s + order.timeout_s + 15)


@contextmanager
def driving(
    folder: Path,
    workers: int = 0,
    join: int = 0,
    bind: str = "127.0.0.1:0",
    allow: tuple[str, ...] = (),
) -> Iterator[Open]:
    driver = Open(folder, own=lambda _: None, workers=workers, join=join, bind=bind, allow=allow)
    try:
        yield driver
    finally:
        driver.close()


def is_whole(load: BlockLoad, workers: int) -> None:
    rows, checks = load.samples, load.checks
    assert checks.asked == checks.recorded == checks.counted == len(rows) > 50
    assert checks.answered == checks.sent == len(rows) and set(rows["error"]) == {Failure.NONE}
    assert (checks.workers, checks.workers_lost) == (workers, 0)
    assert (np.diff(rows["due_ns"]) >= 0).all()
    assert load.response == Histogram.of(load.latency_s)
    assert load.service == Histogram.of((rows["done_ns"] - rows["sent_ns"]) / 1e9)


def test_two_workers_make_the_requests_of_one_process(tmp_path: Path) -> None:
    owned: list[int] = []
    loads = []
    with ExitStack() as closing:
        for name, workers in (("one", 0), ("two", 2)):
            site = closing.enter_context(serving())
            driver = Open(tmp_path / name, own=lambda it: owned.append(it["process"]), workers=workers)
            closing.callback(driver.close)
            assert driver.ready().workers == max(workers, 1)
            order = ordered(driver, site.url, tmp_path)
            loads.append((run(driver, order), order, Counter(site.requests)))
        (one, first, asked_of_one), (two, second, asked_of_two) = loads
        assert asked_of_one == asked_of_two
        assert one.schedule_sha256 == two.schedule_sha256 and one.names == two.names
        assert (one.samples["due_ns"] - first.start_ns).tolist() == (
            two.samples["due_ns"] - second.start_ns
        ).tolist()
        assert one.samples["name"].tolist() == two.samples["name"].tolist()
        is_whole(one, 1)
        is_whole(two, 2)
        assert two.checks.connections == one.checks.connections == 512
        pids = (*driver.worker_pids, driver.pid)
        assert len(set(pids)) == 3 and set(pids) < set(owned)
    until(lambda: all(gone(pid) for pid in pids), "driver and workers gone")


def test_lost_worker_is_counted_and_nothing_waits_for_it(tmp_path: Path) -> None:
    with driving(tmp_path, workers=2) as driver, serving() as site:
        driver.ready()
        order = ordered(driver, site.url, tmp_path, length_s=1.0)
        driver.begin(order)
        until(lambda: len(site.requests) > 20, "load has begun")
        os.kill(driver.worker_pids[0], signal.SIGKILL)
        load = driver.finish(order.length_s + order.timeout_s + 15)
        late_s = (time.monotonic_ns() - order.start_ns) / 1e9 - order.length_s
        # Without looking after its processes, the master would wait seven seconds beyond the time-out.
        assert late_s < order.timeout_s + 6
        for one in (load, run(driver, ordered(driver, site.url, tmp_path))):
            assert (one.checks.workers, one.checks.workers_lost) == (2, 1)
            assert 0 < len(one.samples) == one.checks.asked == one.checks.counted
        log = (tmp_path / "logs" / "load.log").read_text()
        assert f"(process {driver.worker_pids[0]}) is lost: its process ended" in log
        os.kill(driver.worker_pids[1], signal.SIGKILL)
        nothing = run(driver, ordered(driver, site.url, tmp_path))
        assert nothing.checks.workers_lost == 2 and len(nothing.samples) == 0


def test_workers_end_with_a_driver_that_is_killed(tmp_path: Path) -> None:
    with driving(tmp_path, workers=1, join=1) as driver, joining(driver.listening()) as joined:
        driver.ready()
        os.kill(driver.pid, signal.SIGKILL)
        until(lambda: gone(driver.worker_pids[0]), "the worker on this machine gone")
        # The one that came by itself sees no more of its master than that it is silent.
        told, _ = joined.communicate(timeout=30)
    assert "is gone" in told and joined.returncode == 0


def test_one_worker_too_many_is_sent_away_and_disturbs_nobody(tmp_path: Path) -> None:
    with driving(tmp_path, workers=1) as driver, serving() as site:
        driver.ready()
        with joining(driver.listening()) as joined:
            told, _ = joined.communicate(timeout=30)
        assert joined.returncode == 4 and "has all the workers it waits for" in told
        is_whole(run(driver, ordered(driver, site.url, tmp_path)), 1)


def test_workers_that_do_not_come_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_kind, "JOIN_S", 1.0)
    with driving(tmp_path / "missing", join=1) as driver:
        with pytest.raises(EnvironmentFailed, match="did not start") as failed:
            driver.ready()
        assert f"lab worker --master {driver.listening()}" in failed.value.why
        with driving(tmp_path / "taken", workers=1, bind=driver.listening()) as second:
            with pytest.raises(EnvironmentFailed, match="did not start") as failed:
                second.ready()
            assert "the port is taken" in failed.value.why


def test_no_master_is_an_error_in_words() -> None:
    ran = subprocess.run(
        [*LAB, "worker", "--master", "127.0.0.1:9", "--wait", "1s"], capture_output=True, text=True
    )
    assert ran.returncode == 4
    assert "no master answers (127.0.0.1:9)" in ran.stderr and "Traceback" not in ran.stderr


@contextmanager
def joining(master: str, *inside: str) -> Iterator[subprocess.Popen[str]]:
    """A worker by ``lab worker``, run ``inside`` some other command; what it says comes to its stdout."""
    worker = subprocess.Popen(
        [*inside, *LAB, "worker", "--master", master],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield worker
    finally:
        worker.kill()
        worker.communicate()


@dataclass(frozen=True)
class Elsewhere:
    """A network namespace: another machine, as far as addresses go."""

    name: str
    near: str  # our address
    far: str  # the address there

    def inside(self, *command: str) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.name, *command)


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """A namespace joined to ours by a cable; both are gone afterwards."""
    if shutil.which("ip") is None:
        pytest.skip("needs `ip` (iproute2)")
    number = os.getpid() % 60_000
    net = f"10.{200 + number % 50}.{number // 50 % 250}"
    one = Elsewhere(f"lab-test-{os.getpid()}", f"{net}.1", f"{net}.2")
    near, far = f"labn{number}", f"labf{number}"
    made = subprocess.run(["ip", "netns", "add", one.name], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"may not make a network namespace: {made.stderr.strip()}")
    try:
        for command in (
            f"link add {near} type veth peer name {far} netns {one.name}",
            f"addr add {one.near}/30 dev {near}",
            f"link set {near} up",
            f"-n {one.name} addr add {one.far}/30 dev {far}",
            f"-n {one.name} link set {far} up",
            f"-n {one.name} link set lo up",
        ):
            subprocess.run(["ip", *command.split()], check=True, capture_output=True, text=True)
        yield one
    finally:
        subprocess.run(["ip", "link", "del", near], capture_output=True)
        subprocess.run(["ip", "netns", "del", one.name], capture_output=True)


def another_clock() -> tuple[str, ...]:
    """A command under which the monotonic clock is a day ahead; empty where the system has no such thing."""
    ahead = ("unshare", "--time", "--monotonic", str(DAY_S), "--fork", "--kill-child")
    with suppress(OSError):
        if subprocess.run([*ahead, "true"], capture_output=True).returncode == 0:
            return ahead
    return ()


def test_worker_on_another_machine(elsewhere: Elsewhere, tmp_path: Path) -> None:
    """It has its own address and its own clock, and cannot reach our 127.0.0.1."""
    with ExitStack() as closing:
        near = elsewhere.near
        driver = closing.enter_context(
            driving(tmp_path, workers=1, join=1, bind=f"{near}:0", allow=(near,))  # its worker allows nothing
        )
        joined = closing.enter_context(joining(driver.listening(), *elsewhere.inside(*another_clock())))
        assert driver.ready().workers == 2
        open_to_all = closing.enter_context(serving(host=elsewhere.near))
        own = closing.enter_context(serving())
        for site, peers in ((open_to_all, {elsewhere.near, elsewhere.far}), (own, {"127.0.0.1"})):
            order = ordered(driver, site.url, tmp_path)
            load = run(driver, order)
            is_whole(load, 2)
            assert load.checks.kept_off == ()
            assert len(load.samples) == len(site.requests) and site.peers == peers
            offsets_s = (load.samples["due_ns"] - order.start_ns) / 1e9
            # Its share is due when it would be here, to the accuracy at which its clock can be read.
            assert offsets_s.min() > -0.05 and offsets_s.max() < order.length_s + 0.05
            assert load.latency_s.max() < order.timeout_s
        driver.close()
        told, _ = joined.communicate(timeout=30)
    assert f"joined the master at {elsewhere.near}" in told and "has ended the run" in told
    assert joined.returncode == 0
