"""Differences below zero, such as the slope of memory that is given back: no claim gets easier there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from verdict_series import story

from lab.model.run import Design, MeasureSpec
from lab.verdict.bounds import bar, is_above, is_below
from lab.verdict.facts import Level, Sides, harm, prove

TOLERANCE = 1.0
SLOPE = MeasureSpec(
    name="growth", measure="memory.slope", unit="MB/1000 requests", scale="difference", tolerance=TOLERANCE
)
DESIGN = Design()
FIRST = Level(look=0, last=False, allowed=0, over=6, guard=0)
LAST = Level(look=2, last=True, allowed=17, over=13, guard=None)
CLAIMS = frozenset({"REP", "NOREP", "BETTER", "WORSE", "ABOVE", "HARM"})

NUMBER = st.integers(-400, 400).map(lambda n: n / 4)
ROW = st.tuples(NUMBER, NUMBER, NUMBER)
ARM = st.tuples(ROW, ROW)
FACTOR = st.sampled_from([1.0, 1.1, 1.2, 1.5])


def facts(fixed, problem, healthy, level=FIRST):
    sides = Sides(SLOPE, fixed, problem, healthy)
    return prove(sides, level, DESIGN) | harm(sides, level, DESIGN)


def moved(arm, by):
    return tuple(tuple(value + by for value in row) for row in arm)


@given(ARM, ARM, ARM, st.sampled_from([FIRST, LAST]))
def test_reproduced_and_not_reproduced_exclude_each_other_as_do_within_and_above(
    fixed, problem, healthy, level
):
    level = Level(look=level.look, last=level.last, allowed=min(level.allowed, 8), over=6, guard=0)
    found = facts(fixed, problem, healthy, level)
    assert not {"REP", "NOREP"} <= found
    assert not {"WITHIN", "ABOVE"} <= found
    assert not {"BETTER", "WORSE"} <= found


@given(ARM, st.permutations(range(3)))
def test_equal_arms_are_never_told_apart(values, order):
    again = tuple(tuple(row[n] for n in order) for row in values)
    found = facts(again, values, values)
    # A fact that says "no difference" may be proven of arms that are equal, one that says there is none not.
    assert not found & {"REP", "BETTER", "WORSE", "ABOVE", "HARM"}


@given(ARM, ARM, ARM, st.integers(0, 4000).map(lambda n: n / 4))
def test_moving_everything_down_proves_no_claim_of_more_that_was_not_proven_at_zero(
    fixed, problem, healthy, down
):
    """At or below zero a factor counts as 1, so a claim of a difference is the same one at every height."""
    top = max(value for arm in (fixed, problem, healthy) for row in arm for value in row)
    at_zero = [moved(arm, -top) for arm in (fixed, problem, healthy)]
    lower = [moved(arm, -down) for arm in at_zero]
    assert facts(*lower) & CLAIMS == facts(*at_zero) & CLAIMS


@given(NUMBER, NUMBER, FACTOR, st.integers(0, 20).map(float))
def test_the_bar_rises_with_what_it_stands_on_and_is_never_below_it(low, high, factor, offset):
    low, high = sorted((low, high))
    assert bar(low, factor, offset) <= bar(high, factor, offset)
    assert bar(low, factor, offset) >= low + offset
    if low >= 0:
        assert bar(low, factor, offset) == factor * low + offset


@given(st.lists(st.tuples(NUMBER, NUMBER), min_size=1, max_size=18), FACTOR, st.integers(0, 8))
def test_no_pair_is_for_both_above_and_below(pairs, factor, allowed):
    if 2 * allowed < len(pairs):
        assert not (is_above(pairs, allowed, factor, 1.0) and is_below(pairs, allowed, factor, 1.0))


LEAK = (10.0, 10.6, 9.8)
STILL = (-0.4, -0.2, 0.1)


def test_a_leak_that_is_mended_is_resolved_though_memory_falls_a_little():
    told = story(SLOPE).strata(2, healthy=STILL, problem=LEAK, fix=STILL).tail("fix", 11, -0.1)
    assert told.verdict().state == "resolved"


def test_memory_that_falls_alike_everywhere_is_no_leak():
    falls = (-30.0, -31.0, -29.5)
    told = story(SLOPE).strata(8, healthy=falls, problem=falls, fix=falls)
    assert told.verdict().state == "not-reproduced"
