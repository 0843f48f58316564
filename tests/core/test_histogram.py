"""Percentiles from buckets: how far from exact, and whether parts add up to the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from lab.model.histogram import Histogram

QUANTILES = (0, 1, 25, 50, 90, 99, 99.9, 100)
durations = st.lists(st.floats(0, 3600), max_size=200)


def exact(seconds: np.ndarray, q: float) -> float:
    return float(np.percentile(seconds, q, method="inverted_cdf"))


@pytest.mark.parametrize("scale_s", [50e-6, 1e-3, 0.02, 1.0, 60.0])
def test_percentiles_are_right_to_a_quarter_of_a_percent(scale_s: float) -> None:
    seconds = scale_s * np.random.default_rng(1).lognormal(0, 0.7, 20_000)
    found = Histogram.of(seconds)
    assert found.count == 20_000
    for q in QUANTILES:
        assert found.percentile(q) == pytest.approx(exact(seconds, q), rel=0.0025)


@given(st.floats(1e-6, 3600))
def test_every_single_duration_is_right_to_a_quarter_of_a_percent(seconds: float) -> None:
    assert Histogram.of(np.array([seconds])).percentile(50) == pytest.approx(seconds, rel=0.0025, abs=0)


@given(st.lists(durations, max_size=5))
def test_parts_add_up_to_the_whole_bit_by_bit(parts: list[list[float]]) -> None:
    whole = Histogram.of(np.array([s for part in parts for s in part], dtype=float))
    for order in (parts, parts[::-1]):
        added = sum((Histogram.of(np.array(part, dtype=float)) for part in order), Histogram())
        assert added == whole


@given(durations)
def test_the_way_through_json_changes_nothing(seconds: list[float]) -> None:
    json = TypeAdapter(Histogram)
    found = Histogram.of(np.array(seconds, dtype=float))
    assert json.validate_json(json.dump_json(found)) == found


def test_a_million_answers_stay_small() -> None:
    seconds = np.random.default_rng(2).lognormal(-4, 1.5, 1_000_000)
    assert len(TypeAdapter(Histogram).dump_json(Histogram.of(seconds))) < 40_000


def test_below_a_microsecond_is_zero_and_above_an_hour_is_an_hour() -> None:
    found = Histogram.of(np.array([-1e-5, 0.0, 9e-7, 4000.0, 1e9]))
    assert (found.percentile(50), found.percentile(100)) == (0.0, 3600.0)


def test_nothing_has_no_percentile_and_no_number_is_not_counted() -> None:
    with pytest.raises(ValueError, match="of 0 durations"):
        Histogram().percentile(50)
    with pytest.raises(ValueError, match="no number"):
        Histogram.of(np.array([0.1, float("nan")]))
