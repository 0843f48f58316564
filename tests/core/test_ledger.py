"""The books of a block, the generator's figures and the processor's, all from given moments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.driver import ledger as _ledger
from lab.driver.ledger import CpuMeter, Ledger
from lab.driver.words import SAMPLE, Failure
from lab.heartbeat import CpuTimes, Stall, parse_stat, steal_share

MS = 1_000_000


@dataclass
class Clock:
    wall: int = 0
    cpu: int = 0

    def monotonic_ns(self) -> int:
        return self.wall

    def process_time_ns(self) -> int:
        return self.cpu

    def rule(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(_ledger, "monotonic_ns", self.monotonic_ns)
        patch.setattr(_ledger, "process_time_ns", self.process_time_ns)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    clock.rule(monkeypatch)
    return clock


def meter(clock: Clock, *points: tuple[int, int]) -> CpuMeter:
    """Readings at wall and CPU milliseconds."""
    cpu = CpuMeter()
    for wall, used in points:
        clock.wall, clock.cpu = wall * MS, used * MS
        cpu.read()
    return cpu


def test_latency_counts_from_the_due_moment(clock: Clock) -> None:
    ledger = Ledger([10 * MS], 2000 * MS, lambda: None)
    clock.wall = 15 * MS
    ledger.send(0)
    clock.wall = 30 * MS
    ledger.close(0, Failure.NONE, 200, 7)
    row = ledger.samples([0])[0]
    assert (row["sent_ns"] - row["due_ns"], row["done_ns"] - row["due_ns"]) == (5 * MS, 20 * MS)
    assert (row["status"], row["bytes"], row["error"]) == (200, 7, Failure.NONE)


def test_answer_after_the_time_out_is_a_time_out(clock: Clock) -> None:
    ledger = Ledger([0], 100 * MS, lambda: None)
    ledger.send(0)
    clock.wall = 101 * MS
    ledger.close(0, Failure.NONE, 200, 7)
    assert ledger.samples([0]).tolist() == [(0, 0, 100 * MS, 0, 0, 0, Failure.TIMEOUT, -1, -1, 0, 0)]


def test_waiting_for_a_connection_is_no_fault_of_the_generator(clock: Clock) -> None:
    ledger = Ledger([0, 0], 2000 * MS, lambda: None)
    clock.wall = 1 * MS
    ledger.send(0)
    ledger.queue(1)
    clock.wall = 900 * MS
    ledger.close(0, Failure.NONE, 200, 0)
    ledger.send(1)
    ledger.close(1, Failure.NONE, 200, 0)
    checks = ledger.checks(meter(clock, (0, 0), (1000, 100)), counted=2)
    assert checks.schedule_error_p99_s == pytest.approx(0.001)
    assert (checks.queued, checks.idle_connections, checks.achieved) == (1, False, 1.0)


def test_requests_that_were_never_sent_are_not_achieved(clock: Clock) -> None:
    ledger = Ledger([1, 2], 100 * MS, lambda: None)
    clock.wall = 5
    ledger.send(0)
    ledger.close(0, Failure.NONE, 200, 0)
    clock.wall = 200 * MS
    ledger.close(1, Failure.TIMEOUT)
    checks = ledger.checks(meter(clock, (0, 0), (200, 10)), counted=2)
    assert (checks.asked, checks.sent, checks.answered, checks.achieved) == (2, 1, 1, 0.5)
    assert checks.schedule_error_p99_s == pytest.approx(0.1, rel=0.02)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.sampled_from(list(Failure))), min_size=1))
def test_every_row_ends_within_its_time_out(ends: list[tuple[int, Failure]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock()
        clock.rule(patch)
        finished: list[bool] = []
        ledger = Ledger([0] * len(ends), 200 * MS, lambda: finished.append(True))
        for i, (wall, failure) in enumerate(ends):
            assert not finished
            clock.wall = wall * MS
            ledger.close(i, Failure.NONE, 200, 1) if failure is Failure.NONE else ledger.close(i, failure)
        rows = ledger.samples([0] * len(ends))
    assert finished == [True]
    assert rows.dtype == SAMPLE
    assert rows["done_ns"].max() <= 200 * MS
    assert np.all((rows["error"] == Failure.TIMEOUT) <= (rows["done_ns"] == 200 * MS))


def test_busiest_stretch_counts(clock: Clock) -> None:
    cpu = meter(clock, (0, 0), (250, 25), (500, 225), (750, 235))
    assert cpu.share_max() == pytest.approx(0.8)
    assert cpu.total_s() == pytest.approx(0.235)


def test_short_rest_joins_its_neighbour(clock: Clock) -> None:
    """Two milliseconds at full speed are no busy generator."""
    assert meter(clock, (0, 0), (250, 10), (252, 12)).share_max() == pytest.approx(12 / 252)


def test_steal_is_a_share_of_all_processors() -> None:
    before = parse_stat("cpu  100 0 50 800 10 0 0 40 7 0\ncpu0 ...")
    after = parse_stat("cpu  150 0 60 820 10 0 0 60 9 0\ncpu0 ...")
    assert before == CpuTimes(total=1000, steal=40, busy=150)
    assert steal_share(before, after) == pytest.approx(0.2)


def test_steal_is_nothing_where_it_is_not_known() -> None:
    assert steal_share(CpuTimes(0, 0), CpuTimes(0, 0)) == 0.0
    assert parse_stat("cpu 1 2 3 4") == CpuTimes(total=10, steal=0, busy=6)


@pytest.mark.parametrize(
    ("window", "touched"), [((0, 10), False), ((0, 11), True), ((15, 16), True), ((20, 30), False)]
)
def test_stall_touches_a_window(window: tuple[int, int], touched: bool) -> None:
    assert Stall(10, 20).within(*window) is touched
