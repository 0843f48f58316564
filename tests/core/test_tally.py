"""The bound on the error rate, against scipy and against what can be worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom

from lab.verdict.tally import Tally, at_most


@pytest.mark.parametrize("n", [1, 36, 100, 300, 5000])
def test_without_a_hit_the_bound_is_the_root_of_the_doubt(n: int) -> None:
    assert Tally(0, n).below() == pytest.approx(1 - 0.05 ** (1 / n))


def test_thirty_six_clean_runs_exclude_eight_percent() -> None:
    assert f"{Tally(0, 36).below():.1%}" == "8.0%"


@given(n=st.integers(1, 3000), data=st.data())
def test_the_bound_is_that_of_scipy(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n - 1))
    assert Tally(k, n).below() == pytest.approx(beta.ppf(0.95, k + 1, n - k), rel=1e-9)


@given(n=st.integers(1, 3000), share=st.floats(0, 1), data=st.data())
def test_the_tail_is_that_of_scipy(n: int, share: float, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    assert at_most(k, n, share) == pytest.approx(binom.cdf(k, n, share), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("tally", [Tally(0, 0), Tally(1, 1), Tally(7, 7)])
def test_nothing_is_excluded_without_a_clean_trial(tally: Tally) -> None:
    assert tally.below() == 1.0


def test_more_confidence_and_fewer_trials_exclude_less() -> None:
    assert Tally(0, 100).below(0.99) > Tally(0, 100).below()
    assert Tally(0, 50).below() > Tally(0, 100).below()
    assert Tally(1, 100).below() > Tally(0, 100).below()


def test_tallies_add_up() -> None:
    assert Tally(1, 20) + Tally(0, 16) == Tally(1, 36)


@pytest.mark.parametrize(("k", "n"), [(2, 1), (-1, 3)])
def test_hits_that_cannot_be_are_refused(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="there are no"):
        Tally(k, n)
