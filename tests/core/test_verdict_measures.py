"""Measures with a limit, on the difference scale, several at once, and guardrails."""

from __future__ import annotations

from dataclasses import replace

from verdict_series import CALLS, ERRORS, GUARD, ILL, P50, SLOW, WELL, story

HALF = (50.0, 52.0, 48.0, 51.0, 49.0, 53.0)


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
        verdict = story(SLOW, healthy=False).strata(2, problem=0.5, fix=0.45).verdict()
        assert verdict.state == "improved", "a tenth less in every pair is a gain"
        slight = story(SLOW, healthy=False).strata(2, problem=0.5, fix=0.46).verdict()
        assert (slight.state, slight.agree) == ("not-resolved", 0), "less than a tenth is none"
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

    def test_a_gain_is_a_tenth_of_what_the_problem_shows_and_of_nothing_there_is_none(self):
        for problem, fixed, gain in ((0.0, 0.0, 0), (11.0, 10.0, 0), (11.0, 9.9, 18), (-5.0, -5.0, 0)):
            told = story(replace(ERRORS, tolerance=0.5)).strata(2, healthy=0.0, problem=problem, fix=fixed)
            assert told.verdict().agree == gain

    def test_the_blocks_that_would_show_a_gain_of_a_tenth_are_estimated(self):
        near = (0.8, 0.93, 0.75, 0.98)
        told = story(replace(ERRORS, tolerance=0.9)).strata(8, healthy=0.05, problem=(0.99, 1.0), fix=near)
        verdict = told.verdict()
        assert verdict.reason_code == "missing-better"
        assert 24 < verdict.more_blocks < 500
        assert "but it may be up to -" in verdict.reason
        assert "(a gain of 1.1x counts)" in verdict.reason

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
