"""Toxics alone, without sockets: what they deliver when, what they keep, and what is left when they go."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.link import alarms, stage
from lab.link.alarms import Alarm
from lab.link.toxic import types
from lab.link.toxics import bandwidth, latency, limit_data, reset_peer, slicer, slow_close, timeout


class Bench:
    """A way with a clock that only goes on when it is told to; everything that comes out is noted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.waiting: list[tuple[float, Alarm]] = []
        self.out: list[tuple[float, bytes]] = []
        self.paused = 0
        self.closes = self.was_reset = False
        for module in (latency, bandwidth, slow_close, timeout, reset_peer, slicer, stage, alarms):
            monkeypatch.setattr(module, "now", lambda: self.now)

    def stage(self, kind: str, **attributes: int) -> Any:
        found = types()[kind]
        made = found.stage(self, found.attributes(**attributes), Random(1))
        made.on = lambda piece: self.out.append((round(self.now - 1000, 6), piece))
        made.finish = lambda: self.out.append((round(self.now - 1000, 6), b""))
        made.begin()
        return made

    def until(self, when: float) -> None:
        """Let time pass, to so many seconds after the beginning."""
        while due := [pair for pair in self.waiting if pair[0] <= 1000 + when and pair[1].call]:
            first = min(due, key=lambda pair: pair[0])
            self.waiting.remove(first)
            self.now = max(self.now, first[0])
            assert first[1].call is not None
            first[1].call()
        self.now = 1000 + when

    def alarm(self, when: float, call: Callable[[], None]) -> Alarm:
        self.waiting.append((when, Alarm(call)))
        return self.waiting[-1][1]

    def stop(self) -> None:
        self.paused += 1

    def go(self) -> None:
        self.paused -= 1

    def close_after(self) -> None:
        self.closes = True

    def reset(self) -> None:
        self.was_reset = True


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_latency_delays_each_piece_and_the_end_by_the_same(bench: Bench) -> None:
    late = bench.stage("latency", latency=100)
    late.data(b"a")
    bench.until(0.05)
    late.data(b"b")
    late.end()
    bench.until(10)
    assert bench.out == [(0.1, b"a"), (0.15, b"b"), (0.15, b"")]


def test_jitter_stays_within_its_range_and_nothing_overtakes(bench: Bench) -> None:
    late = bench.stage("latency", latency=100, jitter=50)
    for n in range(200):
        bench.until(n)
        late.data(b"%d" % n)
    bench.until(1000)
    delays = [when - n for n, (when, _) in enumerate(bench.out)]
    assert 0.05 <= min(delays) < 0.06 and 0.14 < max(delays) <= 0.15
    for n in range(100):
        late.data(b"%d" % n)
    bench.until(2000)
    assert [piece for _, piece in bench.out[200:]] == [b"%d" % n for n in range(100)]


def test_bandwidth_lets_a_byte_arrive_when_all_before_it_have_passed(bench: Bench) -> None:
    narrow = bench.stage("bandwidth", rate=10)
    narrow.data(bytes(1000))
    narrow.data(bytes(550))
    narrow.end()
    bench.until(10)
    sizes = 0
    for when, piece in bench.out:
        sizes += len(piece)
        assert when == pytest.approx(sizes / 10_000)
        assert len(piece) <= 100
    assert sizes == 1550 and bench.out[-1][1] == b""


def test_bandwidth_saves_up_nothing_while_it_is_idle(bench: Bench) -> None:
    narrow = bench.stage("bandwidth", rate=10)
    bench.until(60)
    narrow.data(bytes(100))
    bench.until(100)
    assert bench.out == [(60.01, bytes(100))]


def test_slices_are_sent_one_by_one_also_when_they_are_late(bench: Bench) -> None:
    cut = bench.stage("slicer", average_size=10, delay=1000)
    cut.data(bytes(30))
    bench.until(10)
    assert [(when, len(piece)) for when, piece in bench.out] == [(0.0, 10), (0.001, 10), (0.002, 10)]


def test_limit_data_counts_on_when_the_limit_is_changed(bench: Bench) -> None:
    limited = bench.stage("limit_data", bytes=10)
    limited.data(bytes(8))
    limited.flush()
    limited.attributes = limit_data.Attributes(bytes=12)
    limited.begin()
    limited.data(bytes(8))
    limited.data(bytes(8))
    assert [len(piece) for _, piece in bench.out] == [8, 4, 0]
    assert bench.closes


@pytest.mark.parametrize("lost", [False, True])
def test_a_timeout_that_goes_closes_only_what_has_lost_something(bench: Bench, lost: bool) -> None:
    hung = bench.stage("timeout")
    if lost:
        hung.data(b"gone")
    hung.removed()
    assert bench.closes is lost


def test_a_timeout_counts_from_when_it_begins(bench: Bench) -> None:
    hung = bench.stage("timeout", timeout=1000)
    for n in range(9):
        bench.until(n / 10)
        hung.data(b"gone")
    bench.until(0.99)
    assert not bench.closes
    bench.until(1.01)
    assert bench.closes and bench.out == [(1.0, b"")]


def test_data_that_waits_does_not_put_off_a_reset(bench: Bench) -> None:
    peer = bench.stage("reset_peer", timeout=500)
    peer.data(b"wait")
    bench.until(0.49)
    assert not bench.was_reset
    bench.until(0.51)
    assert bench.was_reset and not bench.out


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("latency", {"latency": 9000}),
        ("bandwidth", {}),
        ("bandwidth", {"rate": 1}),
        ("reset_peer", {"timeout": 1}),
    ],
)
def test_a_sender_is_paused_while_too_much_waits_and_goes_on_when_the_toxic_goes(
    bench: Bench, kind: str, attributes: dict[str, int]
) -> None:
    kept = bench.stage(kind, **attributes)
    kept.data(bytes(kept.limit))
    assert bench.paused == 0
    kept.data(b"more")
    assert bench.paused == 1
    kept.removed()
    assert bench.paused == 0
    assert sum(len(piece) for _, piece in bench.out) == kept.limit + 4


LOSSLESS = st.sampled_from(
    [
        ("latency", {"latency": 30, "jitter": 20}),
        ("bandwidth", {"rate": 1}),
        ("bandwidth", {"rate": 0}),
        ("slicer", {"average_size": 7, "size_variation": 3, "delay": 500}),
        ("slow_close", {"delay": 100}),
        ("reset_peer", {"timeout": 1_000_000}),
    ]
)


@given(LOSSLESS, st.lists(st.tuples(st.floats(0, 0.2), st.binary(min_size=1, max_size=60)), max_size=12))
def test_what_a_toxic_keeps_is_delivered_in_order_when_it_goes(
    kind: tuple[str, dict[str, int]], pieces: list[tuple[float, bytes]]
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        bench = Bench(monkeypatch)
        kept = bench.stage(kind[0], **kind[1])
        passed = 0.0
        for pause, piece in pieces:
            passed += pause
            bench.until(passed)
            kept.data(piece)
        kept.end()
        kept.removed()
        said = [piece for _, piece in bench.out]
        assert b"".join(said) == b"".join(piece for _, piece in pieces)
        assert said[-1] == b"" and said.count(b"") == 1
        before = len(said)
        bench.until(passed + 10_000)
        assert len(bench.out) == before, "it woke up after it was gone"
        assert bench.paused == 0
