from __future__ import annotations

import re
from math import inf, isfinite, nan

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lab.report import numbers
from lab.report.svg.scale import Linear, Log, around

FINITE = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9)
POSITIVE = st.floats(min_value=1e-6, max_value=1e9)


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (17.23, "calls", "17.2"),
        (1.0, "calls", "1.0"),
        (248.4, "ms", "248 ms"),
        (6.13, "ms", "6.1 ms"),
        (12_400.0, "ms", "12.4 s"),
        (0.143, "share", "14 %"),
        (0.025, "share", "2.5 %"),
        (0.0, "share", "0 %"),
        (0.0004, "share", "0.04 %"),
        (12_431.0, "blocks", "12,400 blocks"),
        (0.0, "calls", "0"),
        (412.3, "bytes", "412 bytes"),
        (3.0, "bytes", "3 bytes"),
        (38_440.0, "bytes", "38.4 kB"),
        (1_250_000.0, "bytes", "1.25 MB"),
        (None, "bytes", "–"),
        (None, "ms", "–"),
        (inf, "ms", "–"),
        (nan, "share", "–"),
    ],
)
def test_numbers_read_as_people_write_them(value: float | None, unit: str, said: str) -> None:
    assert numbers.number(value, unit) == said


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (1.0, "calls", "1"),
        (0.05, "share", "5 %"),
        (1.5, "", "1.5"),
        (100e3, "bytes", "100 kB"),
        (2000.0, "ms", "2,000 ms"),
        (30_000.0, "ms", "30 s"),
    ],
)
def test_a_limit_is_written_as_it_was_meant(value: float, unit: str, said: str) -> None:
    assert numbers.bound(value, unit) == said


@pytest.mark.parametrize(
    ("value", "scale", "unit", "said"),
    [
        (0.0612, "ratio", "ms", "× 0.061"),
        (-0.214, "difference", "share", "−21 points"),
        (0.002, "difference", "share", "+0.2 points"),
        (-16.2, "difference", "calls", "−16.2"),
        (-412.0, "difference", "ms", "−412 ms"),
        (12_400.0, "difference", "ms", "+12.4 s"),
        (None, "ratio", "ms", "–"),
    ],
)
def test_effects_carry_their_sign_and_scale(value: float | None, scale: str, unit: str, said: str) -> None:
    assert numbers.effect(value, scale, unit) == said


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-17.6, -14.9, "−18 to −15"),
        (None, 2.4, "at most +2.4"),
        (-inf, 2.4, "at most +2.4"),
        (None, None, ""),
    ],
)
def test_open_bounds_are_said_in_words(low: float | None, high: float | None, said: str) -> None:
    assert numbers.interval(low, high, "difference", "calls") == said


def test_bounds_of_times_carry_the_unit_that_their_effect_has() -> None:
    assert numbers.interval(-12_400, -9_800, "difference", "ms") == "−12.4 s to −9,800 ms"
    assert numbers.interval(0.05, 0.07, "ratio", "ms") == "0.05 to 0.07"


@given(FINITE)
def test_two_more_digits_are_never_off_by_a_percent(value: float) -> None:
    assume(abs(value) > 1e-4)
    read = float(numbers.plain(value).replace(",", "").replace("−", "-"))
    assert read == pytest.approx(value, rel=0.0051)


@given(FINITE)
def test_any_number_is_short(value: float) -> None:
    assert len(numbers.plain(value)) <= 14
    assert re.fullmatch(r"−?[\d,]+(\.\d+)?", numbers.plain(value))


@given(st.lists(FINITE, min_size=1), st.booleans())
def test_places_on_an_axis_stay_inside_and_in_order(values: list[float], log: bool) -> None:
    low, high = around(values, log=log)
    assert isfinite(low)
    assert low < high
    scale = Log(low, high, 10, 90) if log else Linear(low, high, 10, 90)
    places = [scale(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(10 <= place <= 90.0001 for place in places)


@given(POSITIVE, st.floats(min_value=1.01, max_value=1e5))
def test_ticks_lie_on_the_axis_and_are_few(low: float, factor: float) -> None:
    for scale in (Linear(low, low * factor, 0, 100), Log(low, low * factor, 0, 100)):
        ticks = scale.ticks()
        assert len(ticks) <= 12
        assert all(low * 0.99 <= tick <= low * factor * 1.01 for tick in ticks)
