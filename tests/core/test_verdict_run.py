"""The judgement of a whole run: the control, determinism, speed, and any blocks whatsoever."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import cycle
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from verdict_series import CALLS, GUARD, ILL, P50, SLOW, WELL, Story, make_plan, story

from lab.model.run import Block, Judgement
from lab.verdict import judge

HALF = (50.0, 52.0, 48.0, 51.0, 49.0, 53.0)
JUDGEMENT = TypeAdapter(Judgement)


class TestTheControl:
    def test_a_placebo_like_the_problem_is_not_resolved_as_it_must(self):
        told = story(P50, placebo=True).strata(2, healthy=WELL, problem=ILL, placebo=ILL, fix=HALF)
        verdict = told.verdict("placebo")
        assert (verdict.state, verdict.expected, verdict.documented) == ("not-resolved", True, False)
        assert told.judge().warnings == ()

    def test_a_placebo_above_tolerance_is_left_once_every_fix_is_decided(self):
        uneven = (150.0, 55.0, 120.0, 60.0, 160.0, 90.0)  # neither a gain nor shown to have none
        told = story(P50, placebo=True).strata(2, healthy=WELL, problem=ILL, placebo=uneven, fix=WELL)
        waiting = told.judge()
        assert (waiting.open, waiting.tail) == (("placebo",), ("fix",)), "the fix is not decided yet"
        judgement = told.tail("fix", 11, WELL).judge()
        assert judgement.open == ()
        assert judgement.verdicts[0].state == "resolved"
        placebo = judgement.verdicts[1]
        assert (placebo.state, placebo.reason_code, placebo.looks) == ("not-resolved", "control-held", 1)
        assert placebo.reason.endswith("as bad as a placebo has to be, and no fix beside it is still open")

    def test_a_placebo_that_may_still_be_within_tolerance_goes_on_alone(self):
        straddling = (9.0, 14.0, 11.0, 15.0, 10.0, 13.0)
        told = story(P50, placebo=True).strata(2, healthy=WELL, problem=ILL, placebo=straddling, fix=WELL)
        assert told.tail("fix", 11, WELL).judge().open == ("placebo",)

    def test_without_a_fix_beside_it_a_placebo_is_followed_to_its_end(self):
        uneven = (150.0, 55.0, 120.0, 60.0, 160.0, 90.0)
        told = story(P50, fixes=(), placebo=True).strata(2, healthy=WELL, problem=ILL, placebo=uneven)
        assert told.judge().open == ("placebo",)

    def test_a_resolved_placebo_voids_every_fix_and_stays_what_it_is(self):
        told = story(P50, placebo=True).strata(2, healthy=WELL, problem=ILL, placebo=WELL, fix=WELL)
        told.tail("fix", 11, WELL)
        assert told.verdict().state == "resolved"
        judgement = told.tail("placebo", 11, WELL).judge()
        fix, placebo = judgement.verdicts
        assert (fix.state, fix.reason_code, fix.expected) == ("void", "control-failed", False)
        assert (placebo.state, placebo.expected) == ("resolved", False)
        assert "the placebo came out RESOLVED" in judgement.void
        assert fix.measures[0].facts == ("REP", "BETTER", "WITHIN"), "the numbers stay"

    def test_an_improved_placebo_is_a_warning(self):
        told = story(P50, placebo=True).strata(2, healthy=WELL, problem=ILL, placebo=HALF, fix=ILL)
        judgement = told.judge()
        assert judgement.void is None
        assert judgement.warnings == (
            "the placebo was called IMPROVED: equal arms do that in less than 1 % of runs",
        )
        assert judgement.verdicts[1].expected


def test_expectations_are_those_of_the_plan():
    told = story(P50, expect=("not-resolved", "improved")).strata(2, healthy=WELL, problem=ILL, fix=HALF)
    assert told.verdict().expected
    assert told.verdict().expect == ("not-resolved", "improved")


def test_without_fixes_the_placebo_alone_is_judged():
    told = story(P50, fixes=(), placebo=True).strata(2, healthy=WELL, problem=ILL, placebo=ILL)
    judgement = told.judge()
    assert [v.fix for v in judgement.verdicts] == ["placebo"]
    assert judgement.problem_reproduced


def test_no_blocks_at_all_leave_everything_open():
    judgement = judge(make_plan(P50, placebo=True), [])
    assert judgement.open == ("fix", "placebo")
    assert judgement.verdicts[0].measures[0].problem is None


def _full_run() -> Story:
    """Six arms with 24 blocks each, four measures, nothing decided before the last look."""
    draw = Random(3)
    measures = (P50, SLOW, CALLS, GUARD)
    told = story(*measures, fixes=("a", "b", "c"), placebo=True)

    def some(p50: float, slow: float, calls: float) -> dict[str, list[float]]:
        return {
            "p50": [p50 * draw.lognormvariate(0, 0.15) for _ in range(24)],
            "slow answers": [slow * draw.random() for _ in range(24)],
            "calls per expiry": [calls + draw.randrange(2) for _ in range(24)],
            "queries": [10 * draw.lognormvariate(0, 0.1) for _ in range(24)],
        }

    return told.strata(
        8,
        healthy=some(10, 0.01, 0),
        problem=some(13, 0.2, 1),
        placebo=some(13, 0.2, 1),
        a=some(12, 0.2, 1),
        b=some(11, 0.1, 1),
        c=some(10, 0.06, 0),
    )


def test_the_same_blocks_give_the_same_bytes_in_any_order_of_reading():
    told = _full_run()
    first = JUDGEMENT.dump_json(told.judge())
    assert JUDGEMENT.dump_json(told.judge()) == first
    shuffled = list(told.blocks)
    Random(1).shuffle(shuffled)
    assert JUDGEMENT.dump_json(judge(told.plan, shuffled)) == first


def test_a_full_run_is_judged_within_250_ms():
    told = _full_run()
    assert {v.looks for v in told.judge().verdicts} == {3}
    took = []
    for _ in range(5):
        began = time.perf_counter()
        told.judge()
        took.append(time.perf_counter() - began)
    print(f"judged {len(told.blocks)} blocks in {min(took) * 1e3:.1f} ms")
    assert min(took) < 0.25


VALUE = st.one_of(
    st.none(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, 1.0, 1.1, 5e-324, 1e308, -1.0]),
    st.floats(0.5, 2),
)


@st.composite
def any_run(draw: st.DrawFn) -> Story:
    """A plan-conform run with any values, any disturbances with or without reruns, cut off anywhere."""
    measures = draw(
        st.sampled_from([(P50,), (SLOW,), (CALLS, P50), (replace(P50, limit=1.0), GUARD), (GUARD,)])
    )
    told = story(*measures, placebo=draw(st.booleans()), healthy=draw(st.booleans()))
    arms = [arm.name for arm in told.plan.arms]
    values = cycle(draw(st.lists(VALUE, min_size=1, max_size=40)))
    feed = {
        arm: {m.name: [next(values) for _ in range(24)] for m in measures} for arm in arms
    }  # fmt: skip
    told.strata(draw(st.integers(0, 8)), **feed)
    for position in sorted(draw(st.sets(st.integers(0, 95), max_size=6)), reverse=True):
        if position < len(told.blocks):
            told.rerun(
                position, draw(st.one_of(st.none(), st.just({m.name: next(values) for m in measures})))
            )
    told.blocks = told.blocks[: draw(st.integers(0, len(told.blocks)))]
    told.tail("fix", draw(st.integers(0, 40)), {m.name: [next(values), next(values)] for m in measures})
    return told


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(any_run())
def test_it_never_raises_and_what_it_says_can_be_written_and_read(told):
    judgement = told.judge()
    text = JUDGEMENT.dump_json(judgement)
    assert b"NaN" not in text
    assert b"Infinity" not in text
    assert JUDGEMENT.validate_json(text) == judgement
    names = {arm.name for arm in told.plan.arms}
    assert set(judgement.open) | set(judgement.tail) <= names
    assert all(verdict.reason for verdict in judgement.verdicts)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.6, 4), st.floats(0.6, 4), st.sets(st.integers(0, 71), max_size=8))
def test_what_is_decided_at_any_moment_of_a_run_is_what_it_ends_with(seed, ill, fixed, disturbed):
    draw = Random(seed)

    def near(value: float) -> list[float]:
        return [value * draw.lognormvariate(0, 0.2) for _ in range(24)]

    told = story(P50).strata(8, healthy=near(1.0), problem=near(ill), fix=near(fixed))
    for position in sorted(disturbed, reverse=True):
        told.rerun(position, draw.choice([None, fixed]))
    told.tail("fix", 17, near(fixed))
    end = _states(told.blocks, told)
    for cut in range(0, len(told.blocks), 5):
        so_far = _states(told.blocks[:cut], told)
        if so_far["reason_code"] not in ("undecided", "tail-incomplete", "disturbed") and not end["void"]:
            assert so_far == end


def _states(blocks: list[Block], told: Story) -> dict[str, object]:
    judgement = judge(told.plan, blocks)
    verdict = judgement.verdicts[0]
    kept = ("state", "reason_code", "reason", "looks", "measures")
    disturbed = verdict.reason_code == "disturbed"
    return {**{name: getattr(verdict, name) for name in kept}, "void": disturbed}


def test_a_run_that_failed_has_no_verdict_however_far_it_came():
    told = story(P50, placebo=True).strata(2, healthy=WELL, problem=ILL, placebo=ILL, fix=HALF)
    judgement = judge(told.plan, told.blocks, failed="the fault latency on link redis did not bite")
    assert {(v.state, v.reason_code) for v in judgement.verdicts} == {("void", "environment-failed")}
    assert judgement.void == "the fault latency on link redis did not bite, so the run has no verdict"
    assert judgement.open == ()
    assert judge(told.plan, [], failed="no server").void == "no server, so the run has no verdict"
