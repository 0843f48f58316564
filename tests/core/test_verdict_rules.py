"""Each rule of the decision table on a small series of blocks told by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from verdict_series import CALLS, ERRORS, GUARD, ILL, P50, SLOW, WELL, story

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


def test_rule_9_promises_no_number_of_blocks_where_the_estimate_is_on_the_wrong_side():
    seldom = (0.06, 0.06, 0.0, 0.06, 0.0, 0.06, 0.0, 0.06)
    verdict = story(SLOW, healthy=False).strata(8, problem=seldom, fix=(0.5, 0.04, 0.04)).verdict()
    assert (verdict.state, verdict.reason_code) == ("inconclusive", "missing-better")
    assert verdict.measures[0].ratio == pytest.approx(0.04)
    assert verdict.more_blocks is None
    assert "would decide" not in verdict.reason


class TestWithALimit:
    def test_six_of_six_over_and_none_over_then_a_clean_tail_is_resolved(self):
        told = story(SLOW).strata(2, healthy=0, problem=0.16, fix=0.0)
        assert told.judge().tail == ("fix",)
        verdict = told.tail("fix", 11, 0.02).verdict()
        assert verdict.state == "resolved"
        assert verdict.reason == "slow answers 0 % against 16 % and never over the limit of 5 % in 17 blocks"

    def test_a_value_at_the_limit_is_good(self):
        told = story(CALLS, healthy=False).strata(2, problem=11, fix=1).tail("fix", 11, 1)
        assert told.verdict().state == "resolved"

    def test_five_of_six_over_is_not_yet_reproduced_and_eight_of_twelve_is(self):
        told = story(SLOW, healthy=False)
        told.strata(2, problem=(0.2, 0.2, 0.2, 0.2, 0.2, 0.04), fix=0.0)
        assert told.judge().open == ("fix",)
        told.strata(2, problem=(0.2, 0.2, 0.2, 0.04, 0.04, 0.04), fix=0.0)
        assert told.judge().tail == ("fix",)

    def test_better_but_over_the_limit_is_improved(self):
        verdict = story(SLOW, healthy=False).strata(2, problem=0.5, fix=0.2).verdict()
        assert verdict.state == "improved"
        assert verdict.reason.endswith("still over the limit of 5 % in 6 of 6 blocks")

    def test_no_gain_over_the_limit_is_not_resolved(self):
        verdict = story(SLOW, healthy=False).strata(2, problem=0.5, fix=0.48).verdict()
        assert verdict.state == "improved", "a small gain in every pair is a gain"
        same = story(SLOW, healthy=False).strata(2, problem=(0.5, 0.48), fix=(0.48, 0.5)).verdict()
        assert (same.state, same.reason_code) == ("not-resolved", "no-gain")

    def test_one_fixed_block_over_the_limit_can_never_be_resolved(self):
        clean = [0.0] * 23
        verdict = story(SLOW, healthy=False).strata(8, problem=0.5, fix=(0.06, *clean)).verdict()
        assert (verdict.state, verdict.reason_code) == ("inconclusive", "missing-within")
        assert "slow answers was over 5 % in 1 of 24 blocks" in verdict.reason
        assert verdict.more_blocks is None

    def test_no_block_over_the_limit_is_not_reproduced_from_the_second_look_on(self):
        told = story(SLOW, healthy=False).strata(2, problem=0.01, fix=0.0)
        assert told.judge().open == ("fix",)
        verdict = told.strata(2, problem=0.01, fix=0.0).verdict()
        assert (verdict.state, verdict.looks) == ("not-reproduced", 2)
        assert "over the limit of 5 % in 0 of 12 blocks with the problem (8 needed)" in verdict.reason

    def test_a_healthy_block_over_the_limit_voids(self):
        judgement = story(SLOW).strata(2, healthy=(0.0, 0.0, 0.06), problem=0.3, fix=0.0).judge()
        assert judgement.verdicts[0].state == "void"
        assert judgement.verdicts[0].reason_code == "healthy-over-limit"
        assert "slow answers was over its limit of 5 % in 2 of 6 healthy blocks" in judgement.void

    def test_an_absent_value_is_nothing_to_healthy_and_against_every_claim_elsewhere(self):
        fine = story(CALLS).strata(2, healthy=None, problem=11, fix=1).tail("fix", 11, 1)
        assert fine.verdict().state == "resolved"
        absent = story(CALLS).strata(2, healthy=None, problem=11, fix=(None, 1, 1, 1, 1, 1))
        assert absent.judge().open == ("fix",)
        assert absent.verdict().measures[0].facts == ("REP", "WITHIN")


class TestSeveralPrimaries:
    def test_all_must_be_better_and_within(self):
        well, ill = (
            {"slow answers": 0.0, "calls per expiry": 1},
            {"slow answers": 0.2, "calls per expiry": 11},
        )
        told = story(SLOW, CALLS).strata(2, healthy=well, problem=ill, fix=well).tail("fix", 11, well)
        verdict = told.verdict()
        assert verdict.state == "resolved"
        assert verdict.agree_on == "calls per expiry", "the cause, where as many pairs agree"
        assert verdict.reason == (
            "calls per expiry 1.0 against 11.0 and never over the limit of 1 in 17 blocks;"
            " slow answers 0 % against 20 %"
        )

    def test_one_that_stays_above_makes_it_improved(self):
        well, ill = (
            {"slow answers": 0.0, "calls per expiry": 1},
            {"slow answers": 0.2, "calls per expiry": 11},
        )
        half = {"slow answers": 0.0, "calls per expiry": 2}
        verdict = story(SLOW, CALLS).strata(2, healthy=well, problem=ill, fix=half).verdict()
        assert verdict.state == "improved"
        assert verdict.reason == (
            "calls per expiry 2.0 against 11.0, still over the limit of 1 in 6 of 6 blocks;"
            " slow answers 0 % against 20 %"
        )

    def test_one_without_gain_makes_it_not_resolved(self):
        well, ill = (
            {"slow answers": 0.0, "calls per expiry": 1},
            {"slow answers": 0.2, "calls per expiry": 11},
        )
        same = {"slow answers": 0.0, "calls per expiry": 11}
        verdict = story(SLOW, CALLS).strata(2, healthy=well, problem=ill, fix=same).verdict()
        assert (verdict.state, verdict.reason_code) == ("not-resolved", "no-gain")
        assert verdict.reason.startswith("calls per expiry 11.0 against 11.0, still over the limit of 1")

    def test_one_that_is_not_reproduced_makes_the_run_not_reproduced(self):
        well, ill = {"p50": WELL, "slow answers": 0.0}, {"p50": WELL, "slow answers": 0.2}
        verdict = story(P50, SLOW).strata(2, healthy=well, problem=ill, fix=well).verdict()
        assert verdict.state == "not-reproduced"
        assert "p50" in verdict.reason


class TestOnTheDifferenceScale:
    def test_within_a_point_of_healthy_is_resolved(self):
        told = story(ERRORS).strata(2, healthy=(0.0, 0.005), problem=0.2, fix=(0.005, 0.01))
        assert told.tail("fix", 11, 0.01).verdict().state == "resolved"

    def test_healthy_times_factor_and_a_point_is_not_exceeded_by_equality(self):
        told = story(replace(ERRORS, tolerance=0.5), healthy=True)
        verdict = told.strata(2, healthy=5.0, problem=6.5, fix=5.0).verdict()
        assert "REP" not in verdict.measures[0].facts, "6.5 is exactly 1.2 * 5 + 0.5"
        assert "NOREP" not in verdict.measures[0].facts

    def test_worse_needs_more_than_the_tolerance(self):
        little = story(ERRORS).strata(2, healthy=0.0, problem=0.1, fix=0.115).verdict()
        assert (little.state, little.reason_code) == ("not-resolved", "no-gain")
        much = story(ERRORS).strata(2, healthy=0.0, problem=0.1, fix=0.2).verdict()
        assert (
            much.reason
            == "worse than the problem: errors 20 % against 10 % (+10 points, at least +10 points)"
        )


class TestGuardrails:
    def test_a_guardrail_over_its_limit_in_the_fix_alone_is_harm(self):
        limited = replace(GUARD, limit=20.0)
        fine, bad = {"p50": WELL, "queries": 10.0}, {"p50": WELL, "queries": 25.0}
        ill = {"p50": ILL, "queries": 10.0}
        verdict = story(P50, limited).strata(2, healthy=fine, problem=ill, fix=bad).verdict()
        assert verdict.state == "regressed"
        assert verdict.reason.endswith("queries 25.0 against 10.0, over its limit of 20 in 6 of 6 blocks")

    def test_a_guardrail_that_the_problem_breaks_as_well_is_no_harm_of_the_fix(self):
        limited = replace(GUARD, limit=20.0)
        fine, bad = {"p50": WELL, "queries": 10.0}, {"p50": WELL, "queries": 25.0}
        ill = {"p50": ILL, "queries": 25.0}
        told = story(P50, limited).strata(2, healthy=fine, problem=ill, fix=bad)
        assert told.judge().tail == ("fix",)

    def test_four_guardrails_cannot_claim_harm_at_the_first_look_but_at_the_second(self):
        guards = [replace(GUARD, name=f"g{n}") for n in range(4)]
        fine = {"p50": HALF, **{g.name: 10.0 for g in guards}}
        arms = {
            "healthy": {**fine, "p50": WELL},
            "problem": {**fine, "p50": ILL},
            "fix": {**fine, "p50": (12.4, 12.6, 12.5), "g2": 30.0},
        }
        told = story(P50, *guards).strata(2, **arms)
        assert told.judge().open == ("fix",)
        assert told.strata(2, **arms).verdict().reason_code == "guardrail-worse"

    def test_harm_without_reproduction_is_not_regressed(self):
        fine, bad = {"p50": WELL, "queries": 10.0}, {"p50": WELL, "queries": 25.0}
        verdict = story(P50, GUARD).strata(2, healthy=fine, problem=fine, fix=bad).verdict()
        assert verdict.state == "not-reproduced"


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
