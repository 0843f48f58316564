"""A fault bites when what it did is what it was asked to do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lab.model.dose import Dose

NUMBER = st.floats(-1e6, 1e6)
SLACK = st.floats(0, 1e5)


@given(NUMBER, NUMBER, SLACK)
def test_exactly_is_both_sides_at_once(asked: float, delivered: float, slack: float) -> None:
    def bit(counts: str) -> bool:
        return Dose(what="delay", unit="ms", asked=asked, delivered=delivered, slack=slack, counts=counts).bit  # type: ignore[arg-type]

    assert bit("exactly") == (bit("at-least") and bit("at-most"))
    assert bit("exactly") == (abs(delivered - asked) <= slack)


def test_what_was_not_measured_did_not_bite() -> None:
    assert not Dose(what="delay", unit="ms", asked=0, delivered=None, counts="at-least").bit


def test_more_than_asked_is_enough_only_where_the_least_counts() -> None:
    assert Dose(what="sessions waiting", unit="sessions", asked=1, delivered=3, counts="at-least").bit
    assert not Dose(what="delay", unit="ms", asked=100, delivered=140, slack=2).bit
