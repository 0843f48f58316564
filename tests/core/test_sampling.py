"""Gauges over a block: when they are sampled, what becomes of the samples, and what is no value at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import theilslopes

from lab.catalog import kinds
from lab.errors import EnvironmentFailed
from lab.model.load import SAMPLE
from lab.model.scenario import Measure
from lab.model.stack import Gauge
from lab.runner.sampling import EVERY_S, FEWEST, Gauges, gauges_of, moments
from lab.runner.series_statistics import EACH, statistic, theil_sen

NUMBER = st.integers(-1000, 1000).map(float)
POINTS = st.lists(st.tuples(NUMBER, NUMBER), min_size=2, max_size=30)


def columns(points: list[tuple[float, float]]) -> tuple[Any, Any]:
    return np.array([x for x, _ in points]), np.array([y for _, y in points])


@given(POINTS)
def test_the_slope_is_that_of_scipy(points: list[tuple[float, float]]) -> None:
    x, y = columns(points)
    if len(set(x)) == 1:
        assert theil_sen(x, y) is None
        return
    with np.errstate(invalid="ignore"):  # its interval, which nobody asks for
        assert theil_sen(x, y) == pytest.approx(theilslopes(y, x).slope)


@given(POINTS, st.integers(-50, 50), st.integers(-50, 50), st.sampled_from([0.25, 0.5, 2.0, 8.0]))
def test_moving_changes_no_slope_and_tilting_and_stretching_change_it_as_they_should(
    points: list[tuple[float, float]], move: int, tilt: int, stretch: float
) -> None:
    x, y = columns(points)
    slope = theil_sen(x, y)
    if slope is not None:
        assert theil_sen(x + move, y + move) == pytest.approx(slope)
        assert theil_sen(x, stretch * y) == pytest.approx(stretch * slope)
        assert theil_sen(x, y + tilt * x) == pytest.approx(slope + tilt)
        assert theil_sen(x[::-1], y[::-1]) == pytest.approx(slope)


@given(st.data(), st.integers(8, 40), st.integers(-20, 20))
def test_a_quarter_of_the_samples_can_be_anything(data: st.DataObject, n: int, slope: int) -> None:
    x = np.arange(n, dtype=float)
    y = slope * x + 3
    wrong = data.draw(st.lists(st.integers(0, n - 1), max_size=int(0.25 * n), unique=True))
    y[wrong] = data.draw(st.lists(st.floats(-1e9, 1e9), min_size=len(wrong), max_size=len(wrong)))
    # More than half of all pairs are untouched, so the median slope is that of the rest.
    untouched = n - len(wrong)
    assert untouched * (untouched - 1) > n * (n - 1) / 2
    assert theil_sen(x, y) == pytest.approx(slope)


def test_the_slope_is_for_each_thousand_requests_answered() -> None:
    done = np.arange(0, 1_000, dtype=np.int64)  # one each nanosecond, in whatever order
    leak = [(t, 50 + 0.005 * t) for t in range(99, 1_000, 100)]  # 5 KB a request
    assert statistic("slope", leak, done[::-1]) == pytest.approx(0.005 * EACH)
    assert statistic("peak", leak, done) == pytest.approx(50 + 0.005 * 999)
    assert statistic("mean", leak, done) == pytest.approx(50 + 0.005 * 549)


def test_too_few_samples_or_no_requests_are_no_value() -> None:
    series, done = [(t, float(t)) for t in range(8)], np.arange(8, dtype=np.int64)
    assert [statistic(which, series[1:], done) for which in ("slope", "peak", "mean")] == [None] * 3
    assert [statistic(which, series, done[:0]) for which in ("slope", "peak", "mean")] == [None, 7.0, 3.5]


@given(st.integers(0, 2**62), st.floats(0.1, 60))
def test_samples_are_spread_over_the_block_from_its_start_to_its_end(start_ns: int, length_s: float) -> None:
    due = moments(start_ns, length_s)
    apart = np.diff(due)
    assert due[0] == start_ns and due[-1] == start_ns + round(length_s * 1e9)
    assert len(due) >= FEWEST and apart.max() <= EVERY_S * 1e9 + 2 and np.ptp(apart) <= 2


class Steps:
    """A clock that stands still but for the time that answers take."""

    def __init__(self, t: int) -> None:
        self.t = t

    def now_ns(self) -> int:
        return self.t

    def sleep_until(self, at_ns: int) -> None:
        self.t = max(self.t, at_ns)


class Counted:
    """A probe whose answers take as many steps of the block as they are told to; 0 fails at once."""

    gauges: Mapping[str, Gauge] = {
        "peak": Gauge(unit="", scale="difference", doc="", reading="asked", statistic="peak")
    }

    def __init__(self, clock: Steps, *takes: int) -> None:
        self.clock, self.takes, self.asked = clock, list(takes), 0

    def sample(self, running: Any) -> Mapping[str, float]:
        self.asked += 1
        steps = self.takes.pop(0) if self.takes else 1
        self.clock.t += max(steps, 1) * 1_000_000
        if not steps:
            raise EnvironmentFailed("nobody answers")
        return {"asked": float(self.asked)}

    def preflight(self, running: Any) -> str:
        return ""


@pytest.mark.parametrize(("takes", "asked", "taken"), [((), 12, 12), ((1, 5), 9, 9), ((0, 1, 0, 0), 12, 9)])
def test_a_slow_answer_costs_the_samples_due_meanwhile_and_a_failed_one_itself(
    takes: tuple[int, ...], asked: int, taken: int
) -> None:
    clock = Steps(0)
    probe = Counted(clock, *takes)
    gauges = Gauges({"most": (probe, probe.gauges["peak"])})
    with gauges.sampled(None, 0, 0.011, clock) as got:  # type: ignore[arg-type]
        pass
    assert (probe.asked, len(got[probe])) == (asked, taken)
    load = type("Load", (), {"samples": np.zeros(0, SAMPLE)})()
    assert gauges.values(got, load) == {"most": float(asked)}


def test_a_block_that_fails_ends_its_sampling() -> None:
    clock = Steps(0)
    probe = Counted(clock)
    with (
        pytest.raises(ZeroDivisionError),
        Gauges({"most": (probe, probe.gauges["peak"])}).sampled(None, 10**15, 60.0, clock),  # type: ignore[arg-type]
    ):
        raise ZeroDivisionError
    assert probe.asked == 0


def test_nothing_is_sampled_that_no_measure_reads() -> None:
    leak = Measure(name="leak", measure="memory.slope", of="postgres", tolerance=1)
    other = [Measure(name="slow", measure="latency.p50"), Measure(name="hits", measure="redis.hits")]
    assert not gauges_of(other, kinds()).watched
    watched = gauges_of([*other, leak], kinds()).watched
    assert list(watched) == ["leak"] and watched["leak"][1].statistic == "slope"
    assert watched["leak"][0].of == "postgres"  # type: ignore[attr-defined]
