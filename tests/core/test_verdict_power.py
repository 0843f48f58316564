"""What a run could have seen: exact for its own blocks, smaller where they are quieter, and unit-free."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from verdict_series import CALLS, ERRORS, ILL, P50, WELL, story

from lab.verdict.bounds import effect
from lab.verdict.facts import Sides
from lab.verdict.power import smallest_gain

BETTER_BY = 1.1
LOOKS = ((2, 0), (4, 6), (8, 17))  # strata, and the pairs that may disagree


@st.composite
def told(draw, spec=P50, low=5.0, high=200.0):
    """Two arms of one measure at one of the looks, and the pairs that may disagree there."""
    strata, allowed = draw(st.sampled_from(LOOKS))
    rows = st.lists(st.tuples(*[st.floats(low, high)] * 3), min_size=strata, max_size=strata).map(tuple)
    return Sides(spec, draw(rows), draw(rows), None), allowed


def changed(sides, fixed, problem=lambda v: v):
    rows = [
        tuple(tuple(map(change, row)) for row in arm)
        for arm, change in ((sides.fixed, fixed), (sides.problem, problem))
    ]
    return Sides(sides.spec, *rows, None)


def is_better(sides, allowed):
    return len(sides.x_f) - sides.favouring(BETTER_BY) <= allowed


@given(told())
def test_a_gain_a_little_larger_is_called_better_and_a_little_smaller_is_not(told):
    sides, allowed = told
    gain, found = smallest_gain(sides, allowed, BETTER_BY), effect(sides.x_f, "ratio", allowed).estimate
    for factor, seen in ((0.999, True), (1.001, False)):
        moved = changed(sides, lambda v, f=factor: v / found * (1 - gain) * f)
        assert is_better(moved, allowed) is seen


@given(told(CALLS))
def test_the_same_holds_for_differences(told):
    sides, allowed = told
    gain, found = smallest_gain(sides, allowed, BETTER_BY), effect(sides.x_f, "difference", allowed).estimate
    for slack, seen in ((-0.01, True), (0.01, False)):
        moved = changed(sides, lambda v, s=slack: v - found - gain + s)
        assert is_better(moved, allowed) is seen


@given(told(), st.floats(0.0, 0.95))
def test_quieter_blocks_see_smaller_gains_down_to_the_smallest_that_counts(told, quiet):
    sides, allowed = told
    gain = smallest_gain(sides, allowed, BETTER_BY)
    quieter = smallest_gain(changed(sides, lambda v: v**quiet, lambda v: v**quiet), allowed, BETTER_BY)
    assert 1 - 1 / BETTER_BY - 1e-9 <= quieter <= gain + 1e-9
    assert smallest_gain(changed(sides, lambda _: 7.0, lambda _: 9.0), allowed, BETTER_BY) == pytest.approx(
        1 - 1 / BETTER_BY
    )


@given(told(), told(CALLS), st.floats(1e-3, 1e3))
def test_the_unit_of_the_measure_does_not_matter(ratio, counted, unit):
    for (sides, allowed), scaled in ((ratio, 1.0), (counted, unit)):
        gain = smallest_gain(sides, allowed, BETTER_BY)
        other = smallest_gain(changed(sides, lambda v: v * unit, lambda v: v * unit), allowed, BETTER_BY)
        assert other == pytest.approx(gain * scaled, rel=1e-6, abs=1e-9 * unit)


@given(told(), st.floats(0.01, 0.9))
def test_how_much_was_found_does_not_matter_only_how_much_it_spreads(told, found):
    sides, allowed = told
    gain = smallest_gain(sides, allowed, BETTER_BY)
    assert smallest_gain(changed(sides, lambda v: v * found), allowed, BETTER_BY) == pytest.approx(gain)


@given(told(), st.data())
def test_absent_blocks_hide_gains_and_too_many_make_it_unknown(told, data):
    sides, allowed = told
    hidden = data.draw(st.integers(1, 3))
    first, *rest = sides.fixed
    fewer = Sides(sides.spec, ((*([None] * hidden), *first[hidden:]), *rest), sides.problem, None)
    strict, lenient = (smallest_gain(fewer, pairs, BETTER_BY) for pairs in (allowed, allowed + 3 * hidden))
    if 3 * hidden > allowed:
        assert strict is None
    else:
        assert strict >= lenient


def test_it_stands_in_the_verdict_from_the_first_look_on():
    waiting = story(P50).strata(1, healthy=WELL, problem=ILL, fix=WELL)
    assert waiting.verdict().could_see is None
    verdict = waiting.strata(1, healthy=WELL, problem=ILL, fix=WELL).verdict()
    assert verdict.agree_on == "p50"
    assert 1 - 1 / 1.1 < verdict.could_see < 0.2


def test_a_void_run_could_have_seen_nothing():
    unstable = story(P50).strata(2, healthy=(1.0, 100.0, 10.0), problem=ILL, fix=WELL)
    assert (unstable.verdict().state, unstable.verdict().could_see) == ("void", None)


def test_of_a_share_it_is_a_difference_in_that_share():
    told = story(ERRORS).strata(2, healthy=0.0, problem=(0.20, 0.22), fix=0.0)
    assert told.verdict().could_see == pytest.approx(0.22 - 0.02 / 2 - 0.20 / 1.1, abs=0.012)
