"""Numbers as people read them."""

from __future__ import annotations

import pytest

from lab.verdict.figures import blocks, bound, difference, factor, plain, share, times, value


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (0.034, "0.034"), (0.5, "0.5"), (1, "1.0"), (1.04, "1.04"), (2.5, "2.5"), (11, "11.0"),
     (17.24, "17.2"), (248.4, "248"), (12_345, "12,345"), (None, "unknown"), (float("nan"), "unknown")],
)  # fmt: skip
def test_plain_numbers_have_two_or_three_digits(number, text):
    assert plain(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 %"), (0.16, "16 %"), (0.003, "0.3 %"), (0.05, "5 %"), (0.055, "5.5 %"), (1, "100 %"),
     (-0.0001, "0 %")],
)  # fmt: skip
def test_shares_are_per_cent(number, text):
    assert share(number) == text


def test_units_stand_where_the_name_of_the_measure_does_not_say_them():
    assert value(248.0, "ms") == "248 ms"
    assert value(0.16, "share") == "16 %"
    assert value(11.0, "calls") == "11.0"
    assert value(None, "ms") == "unknown"


def test_times_and_sizes_grow_their_unit():
    assert (value(9_800.0, "ms"), value(12_400.0, "ms")) == ("9,800 ms", "12.4 s")
    assert [value(n, "bytes") for n in (0.0, 512.0, 38_400.0, 2_500_000.0)] == [
        "0 bytes",
        "512 bytes",
        "38.4 kB",
        "2.5 MB",
    ]
    assert (bound(100e3, "bytes"), bound(2500.0, "bytes"), bound(30e3, "ms")) == ("100 kB", "2.5 kB", "30 s")
    assert (difference(-412.0, "ms"), difference(12_400.0, "ms")) == ("-412 ms", "+12.4 s")
    assert difference(-38_400.0, "bytes") == "-38.4 kB"


def test_what_was_decided_beforehand_is_as_short_as_it_was_written():
    assert (bound(1, "calls"), bound(0.05, "share"), bound(100.0, "ms")) == ("1", "5 %", "100 ms")
    assert factor(1.2) == "1.2x"


def test_quotients_and_differences():
    assert (times(1), times(1.042), times(11.04), times(None)) == ("1.00x", "1.04x", "11.0x", "unknown")
    assert difference(-0.16, "share") == "-16 points"
    assert difference(0.01, "share") == "+1 point"
    assert difference(2.5, "ms") == "+2.5 ms"
    assert difference(None, "ms") == "unknown"
    assert (blocks(1), blocks(17)) == ("1 block", "17 blocks")
