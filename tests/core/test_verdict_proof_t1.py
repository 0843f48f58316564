"""T1: of the 400 orders of the first look at most one makes a false claim, whatever the blocks say.

The blocks are fixed and the labels go round: under "no difference" each of the 20 x 20 ways to call three
of six blocks in each of two strata the other arm was as likely to be drawn. Where a claim is "beyond a
factor", the other arm is put exactly at that factor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations, product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from verdict_series import P50, Story, make_plan

from lab.model.run import Block, Design, MeasureSpec
from lab.verdict import judge
from lab.verdict.bounds import Values
from lab.verdict.exact import chance
from lab.verdict.facts import Level, Sides, harm, prove

Told = list[float | None]
Shift = Callable[[float], float]

DESIGN = Design()
FIRST = Level(look=0, last=False, allowed=0, over=6, guard=0)
DIFFERENCE = MeasureSpec(name="d", measure="d", unit="calls", scale="difference", tolerance=0.5)
SMALLEST = st.floats(1e-3, 1e6)


def twelve(values: st.SearchStrategy[float | None]) -> st.SearchStrategy[Told]:
    return st.lists(values, min_size=12, max_size=12)


ADVERSARIAL: st.SearchStrategy[Told] = st.one_of(
    twelve(SMALLEST),
    twelve(st.sampled_from([1.0, 1.1, 1.21, 1.25, 2.0])),  # ties, also at the factors of the claims
    twelve(st.sampled_from([1.0, 1.0, 1.0, 900.0])),  # stalls
    st.tuples(st.floats(-0.08, 10), st.booleans()).map(lambda t: [1 + t[0] * n for n in range(12)][:: 1 - 2 * t[1]]),
    twelve(st.sampled_from([0.0, 0.0, 1.0, 7.0])),  # zeros: absent as a ratio
    twelve(st.one_of(st.none(), st.floats(0.1, 10))),  # absent values
    st.tuples(twelve(st.floats(1, 1.05)), st.floats(2, 1e4)).map(  # a change in the middle of the look
        lambda t: [v * (t[1] if n >= 6 else 1) for n, v in enumerate(t[0])]
    ),
)  # fmt: skip

LABELS = tuple(product(combinations(range(6), 3), repeat=2))


def relabelled(values: Told, shift: Shift) -> Iterator[tuple[Values, Values]]:
    """Every order: the blocks of one arm, at ``shift`` of what was measured, and those of the other."""
    assert len(LABELS) == 400
    strata = (values[:6], values[6:])
    for labels in LABELS:
        chosen = [
            tuple(_shifted(row[i], shift) for i in mine) for row, mine in zip(strata, labels, strict=True)
        ]
        others = [
            tuple(row[i] for i in range(6) if i not in mine) for row, mine in zip(strata, labels, strict=True)
        ]
        yield tuple(chosen), tuple(others)


def _shifted(value: float | None, shift: Shift) -> float | None:
    return None if value is None else shift(value)


def absent_like(spec: MeasureSpec, values: Values) -> Values:
    """As the record reads them: nothing that is not positive is a value on the ratio scale."""
    ratio = spec.scale == "ratio"
    return tuple(tuple(None if v is None or (ratio and v <= 0) else v for v in row) for row in values)


def claims(spec: MeasureSpec, values: Told, against: str, shift: Shift = float) -> Counter[str]:
    """How many of the 400 orders prove each fact, comparing two arms of which one is shifted.

    ``against``: the arms compared, as two letters of H, F and X; the first is the shifted one. The third
    arm is the second one once more.
    """
    found: Counter[str] = Counter()
    for one, other in relabelled(values, shift):
        arms = {against[0]: absent_like(spec, one), against[1]: absent_like(spec, other)}
        arms |= {name: arms[against[1]] for name in "HFX" if name not in arms}
        found.update(prove(Sides(spec, arms["X"], arms["F"], arms["H"]), FIRST, DESIGN))
    return found


@settings(max_examples=40, deadline=None)
@given(ADVERSARIAL)
@example([1.0] * 12)
@example([0.0] * 12)
@example([None] * 12)
@example([float(n) for n in range(1, 13)])
@example([0.5**n for n in range(12)])
def test_equal_arms_are_told_apart_in_one_order_of_400_at_most(values: Told) -> None:
    for spec in (P50, DIFFERENCE):
        placebo = claims(spec, values, "XF")
        assert placebo["BETTER"] <= 1
        assert placebo["WORSE"] <= 1
        assert claims(spec, values, "FH")["REP"] <= 1
        assert claims(spec, values, "XH")["ABOVE"] <= 1


AT_THE_EDGE: list[tuple[str, str, Shift]] = [
    ("BETTER", "XF", lambda v: v / DESIGN.better_by),
    ("WORSE", "XF", lambda v: v * DESIGN.worse_over),
    ("NOGAIN", "XF", lambda v: v * (1 / DESIGN.no_gain)),
    ("REP", "FH", lambda v: v * DESIGN.reproduced_over),
    ("NOREP", "FH", lambda v: v * DESIGN.reproduced_over),
    ("ABOVE", "XH", lambda v: v * P50.tau),
    ("WITHIN", "XH", lambda v: v * P50.tau * (1 + 1e-9)),  # the tolerance itself is tolerated
]


@pytest.mark.parametrize(("fact", "against", "shift"), AT_THE_EDGE, ids=[edge[0] for edge in AT_THE_EDGE])
@settings(max_examples=25, deadline=None)
@given(values=ADVERSARIAL)
@example(values=[1.0] * 12)
@example(values=[float(n) for n in range(1, 13)])
def test_an_arm_exactly_at_the_factor_of_a_claim_is_claimed_beyond_it_in_one_order_of_400_at_most(
    fact: str, against: str, shift: Shift, values: Told
) -> None:
    assert claims(P50, values, against, shift)[fact] <= 1


@settings(max_examples=25, deadline=None)
@given(ADVERSARIAL)
def test_a_guardrail_is_harmed_by_a_placebo_in_one_order_of_400_at_most(values: Told) -> None:
    for spec in (P50, DIFFERENCE):
        orders = (
            Sides(spec, absent_like(spec, one), absent_like(spec, other), None)
            for one, other in relabelled(values, float)
        )
        assert sum("HARM" in harm(sides, FIRST, DESIGN) for sides in orders) <= 1


def test_the_bound_is_reached_so_it_is_not_met_by_never_claiming() -> None:
    apart = [2.0**n for n in range(12)]
    assert claims(P50, apart, "XF")["BETTER"] == claims(P50, apart, "XF")["WORSE"] == 1
    assert claims(P50, apart, "FH")["REP"] == 1
    assert float(chance(2, 0)) * len(LABELS) == 1


@pytest.mark.parametrize(
    "values",
    [
        [float(2**n) for n in range(12)],
        [100.0 - 8 * n for n in range(12)],  # a machine that only gets faster
        [10.0, 10.0, 900.0] * 4,
        [10.0] * 12,
    ],
    ids=["apart", "trend", "stalls", "ties"],
)
def test_through_the_whole_judge_a_placebo_is_better_in_one_order_of_400_at_most(values: list[float]) -> None:
    told = Story(make_plan(replace(P50, tau=1e6), placebo=False))
    told.strata(2, healthy=1.0, problem=1.0, fix=1.0)
    better = worse = 0
    for one, other in relabelled(list(values), float):
        feeds = {"fix": iter(sum(one, ())), "problem": iter(sum(other, ()))}
        blocks = [
            _with(block, next(feeds[block.arm])) if block.arm in feeds else block for block in told.blocks
        ]
        facts = judge(told.plan, blocks).verdicts[0].measures[0].facts
        better += "BETTER" in facts
        worse += "WORSE" in facts
    assert better <= 1
    assert worse <= 1


def _with(block: Block, value: float | None) -> Block:
    return replace(block, values={"p50": value})
