"""Each rule of the decision table on a small series of blocks told by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from verdict_series import GUARD, ILL, P50, SLOW, WELL, story

from lab.model.run import Design
from lab.verdict.decide import decide
from lab.verdict.tail import Tail

HALF = (50.0, 52.0, 48.0, 51.0, 49.0, 53.0)
WORSE = (196.0, 210.0, 202.0, 192.0, 206.0, 198.0)
WIDE = (8.0, 14.0, 9.0, 15.0, 10.0, 16.0)


def test_rule_2_a_fault_without_its_symptom_is_not_reproduced_at_the_first_look():
    verdict = story(P50).strata(2, healthy=WELL, problem=WELL, fix=WELL).verdict()
    assert (verdict.state, verdict.reason_code, verdict.looks) == ("not-reproduced", "not-reproduced", 1)
    assert verdict.measures[0].facts[0] == "NOREP"
    assert "(more than 1.2x needed)" in verdict.reason


def test_rule_3_better_and_back_to_healthy_needs_the_tail_and_is_then_resolved():
    told = story(P50).strata(2, healthy=WELL, problem=ILL, fix=WELL)
    waiting = told.judge()
    assert waiting.verdicts[0].reason_code == "tail-incomplete"
    assert (waiting.open, waiting.tail) == ((), ("fix",))
    verdict = told.tail("fix", 11, WELL).verdict()
    assert (verdict.state, verdict.expected, verdict.looks, verdict.blocks) == ("resolved", True, 1, 17)
    assert (verdict.agree, verdict.pairs, verdict.agree_on) == (18, 18, "p50")
    assert verdict.chance == "once in 400 runs"
    assert round(verdict.bad_share_below, 2) == 0.24
    assert set(verdict.measures[0].facts) == {"REP", "BETTER", "WITHIN"}


def test_rule_4_better_but_not_back_to_healthy_is_improved():
    verdict = story(P50).strata(2, healthy=WELL, problem=ILL, fix=HALF).verdict()
    assert (verdict.state, verdict.looks, verdict.expected) == ("improved", 1, False)
    assert "still" in verdict.reason
    assert "healthy" in verdict.reason


def test_rule_5_worse_than_the_problem_is_regressed():
    verdict = story(P50).strata(2, healthy=WELL, problem=ILL, fix=WORSE).verdict()
    assert (verdict.state, verdict.reason_code) == ("regressed", "worse")


def test_rule_5_a_guardrail_that_got_worse_regresses_a_fix_that_helps_and_both_are_said():
    bad = {"p50": WELL, "queries": (30.0, 31.0, 32.0)}
    fine = {"queries": (10.0, 11.0, 12.0)}
    told = story(P50, GUARD).strata(
        2, healthy={"p50": WELL, **fine}, problem={"p50": ILL, **fine}, fix=bad
    )  # fmt: skip
    verdict = told.verdict()
    assert (verdict.state, verdict.reason_code) == ("regressed", "guardrail-worse")
    assert "helps the symptom (p50 10.1 ms against 100 ms)" in verdict.reason
    assert "guardrail got worse: queries 31.0 against 11.0" in verdict.reason
    assert verdict.measures[1].facts == ("HARM",)


def test_rule_6_no_gain_is_not_resolved_at_the_first_look():
    verdict = story(P50).strata(2, healthy=WELL, problem=ILL, fix=ILL).verdict()
    assert (verdict.state, verdict.reason_code, verdict.looks) == ("not-resolved", "no-gain", 1)
    assert verdict.chance is None
    assert verdict.reason.endswith("gained less than 1.5x")


def test_rule_7_a_symptom_that_never_shows_clearly_is_not_reproduced_at_the_last_look():
    told = story(P50)
    for strata, looks in ((2, 1), (2, 2), (4, 3)):
        told.strata(strata, healthy=WELL, problem=WIDE, fix=WELL)
        verdict = told.verdict()
        assert verdict.looks == looks
    assert (verdict.state, verdict.looks) == ("not-reproduced", 3)
    assert told.judge().open == ()
    assert not told.judge().problem_reproduced


def test_rule_8_above_healthy_and_not_better_is_not_resolved_at_the_last_look():
    faster_at_times = (60.0, 102.0, 61.0, 104.0, 62.0, 106.0)
    verdict = story(P50).strata(8, healthy=WELL, problem=ILL, fix=faster_at_times).verdict()
    assert (verdict.state, verdict.reason_code, verdict.looks) == ("not-resolved", "not-better", 3)
    assert verdict.reason.endswith("not shown to be better")


def test_rule_9_names_the_missing_fact_its_bound_and_the_blocks_that_would_decide():
    at_the_edge = (11.0, 13.5, 11.5, 13.0, 12.0, 12.6)
    verdict = story(P50).strata(8, healthy=WELL, problem=ILL, fix=at_the_edge).verdict()
    assert (verdict.state, verdict.reason_code, verdict.looks) == ("inconclusive", "missing-within", 3)
    assert verdict.more_blocks > 24
    assert verdict.reason.startswith("better, but not shown to be back to healthy: p50 is 1.2")
    assert "allowed 1.25x" in verdict.reason
    assert f"about {verdict.more_blocks} blocks an arm would decide" in verdict.reason


def test_rule_9_not_shown_to_be_better_is_inconclusive_within_a_limit():
    seldom = (0.0, 0.2, 0.2, 0.0, 0.0, 0.2, 0.2, 0.2, 0.0)
    verdict = story(SLOW, healthy=False).strata(8, problem=seldom, fix=0.01).verdict()
    assert (verdict.state, verdict.reason_code) == ("inconclusive", "missing-better")
    assert verdict.reason.startswith("not shown to be better: slow answers 1 % against 20 %, but")


def test_rule_9_a_gain_below_the_smallest_that_counts_is_named_with_what_would_count():
    told = story(replace(P50, tau=3.0)).strata(8, healthy=50.0, problem=ILL, fix=[0.95 * v for v in ILL])
    verdict = told.verdict()
    assert (verdict.state, verdict.reason_code) == ("inconclusive", "missing-better")
    assert "it may be up to 0.98x of the problem after 24 blocks (a gain of 1.1x counts)" in verdict.reason
    assert verdict.more_blocks is None, "the estimate itself is too small a gain"
    any_gain = Design(better_by=1.0)
    told = story(replace(P50, tau=3.0), design=any_gain).strata(
        2, healthy=50.0, problem=ILL, fix=[0.92 * min(ILL)]
    )
    assert told.verdict().measures[0].facts == ("REP", "BETTER", "WITHIN", "NOGAIN")


def test_rule_9_promises_no_number_of_blocks_where_the_estimate_is_on_the_wrong_side():
    seldom = (0.06, 0.06, 0.0, 0.06, 0.0, 0.06, 0.0, 0.06)
    verdict = story(SLOW, healthy=False).strata(8, problem=seldom, fix=(0.5, 0.04, 0.04)).verdict()
    assert (verdict.state, verdict.reason_code) == ("inconclusive", "missing-better")
    assert verdict.measures[0].ratio == pytest.approx(0.04)
    assert verdict.more_blocks is None
    assert "would decide" not in verdict.reason


def test_an_unstable_environment_voids_a_comparison_with_healthy():
    told = story(P50).strata(2, healthy=(5.0, 30.0, 10.0), problem=ILL, fix=WELL)
    judgement = told.judge()
    assert judgement.verdicts[0].reason_code == "environment-unstable"
    assert "the environment was unstable: p50 of the healthy arm itself ranged from 5.0 ms to 30.0 ms" in (
        judgement.void
    )
    assert judgement.open == judgement.tail == ()


def test_a_measure_with_neither_limit_nor_healthy_arm_voids():
    verdict = story(P50, healthy=False).strata(2, problem=ILL, fix=WELL).verdict()
    assert (verdict.state, verdict.reason_code) == ("void", "no-yardstick")


CLEAN = Tail(clean=17, counted=17, of=17)
PROVEN = frozenset({"REP", "BETTER", "WITHIN"})


@pytest.mark.parametrize(
    ("facts", "harmed", "last", "state"),
    [
        ({"NOREP"}, False, False, "not-reproduced"),
        ({"NOREP", "REP", "BETTER", "WITHIN"}, False, False, "resolved"),  # REP wins
        (PROVEN, False, False, "resolved"),
        (PROVEN, True, False, "regressed"),
        ({"REP", "BETTER", "ABOVE"}, False, False, "improved"),
        ({"REP", "BETTER", "ABOVE"}, True, False, "regressed"),
        ({"REP", "WORSE", "ABOVE", "NOGAIN"}, False, False, "regressed"),
        ({"REP", "ABOVE", "NOGAIN"}, False, False, "not-resolved"),
        ({"REP", "BETTER", "ABOVE", "NOGAIN"}, False, False, "improved"),  # rule 4 before rule 6
        ({"REP", "ABOVE"}, False, False, None),
        ({"REP", "ABOVE"}, False, True, "not-resolved"),
        ({"REP", "BETTER"}, False, True, "inconclusive"),
        ({"REP"}, False, True, "inconclusive"),
        ({"BETTER", "WITHIN"}, False, False, None),
        ({"BETTER", "WITHIN"}, True, True, "not-reproduced"),
        (set(), False, True, "not-reproduced"),
    ],
)
def test_the_table_itself(facts, harmed, last, state):
    outcome = decide([frozenset(facts)], harmed=harmed, tail=CLEAN, last=last)
    assert (outcome.state if outcome else None) == state
