"""The confirm tail: clean, dirty, incomplete, disturbed, without values."""

from __future__ import annotations

from verdict_series import CALLS, ERRORS, ILL, P50, SLOW, WELL, story


def resolved_so_far():
    return story(P50).strata(2, healthy=WELL, problem=ILL, fix=WELL)


def test_one_block_short_is_not_resolved_yet():
    verdict = resolved_so_far().tail("fix", 10, WELL).verdict()
    assert (verdict.state, verdict.reason_code) == ("inconclusive", "tail-incomplete")
    assert (verdict.tail_clean, verdict.tail_of) == (16, 17)
    assert verdict.bad_share_below is None


def test_one_dirty_block_ends_it_as_intermittent_at_once():
    judgement = resolved_so_far().tail("fix", 3, (10.0, 10.1, 16.0)).judge()
    verdict = judgement.verdicts[0]
    assert (verdict.state, verdict.reason_code) == ("inconclusive", "intermittent")
    assert judgement.open == judgement.tail == ()
    assert (verdict.tail_clean, verdict.tail_of, verdict.blocks) == (8, 17, 9)
    assert verdict.reason == "the fix works only part of the time: p50 exceeded 15.4 ms in 1 of 9 blocks"


def test_the_bound_is_tau_times_the_factor_times_the_90th_percentile_of_healthy():
    bound = 1.25 * 1.2 * 10.25  # the 90th percentile of six values lies between the fifth and the sixth
    assert resolved_so_far().tail("fix", 11, bound).verdict().state == "resolved"
    assert resolved_so_far().tail("fix", 11, bound + 1e-9).verdict().reason_code == "intermittent"


def test_the_bound_on_the_difference_scale_adds_the_tolerance():
    told = story(ERRORS).strata(2, healthy=0.0, problem=0.2, fix=0.0)
    assert told.tail("fix", 11, 0.012).verdict().state == "resolved"
    told = story(ERRORS).strata(2, healthy=0.0, problem=0.2, fix=0.0)
    assert told.tail("fix", 11, 0.0121).verdict().reason_code == "intermittent"


def test_any_primary_measure_can_make_it_dirty():
    well, ill = {"slow answers": 0.0, "calls per expiry": 1}, {"slow answers": 0.2, "calls per expiry": 11}
    told = story(SLOW, CALLS).strata(2, healthy=well, problem=ill, fix=well)
    verdict = told.tail("fix", 11, {"slow answers": 0.0, "calls per expiry": (1, 1, 2)}).verdict()
    assert (
        verdict.reason == "the fix works only part of the time: calls per expiry exceeded 1 in 3 of 17 blocks"
    )


def test_blocks_after_the_tail_is_full_change_nothing():
    told = resolved_so_far().tail("fix", 11, WELL)
    full = told.judge()
    assert told.tail("fix", 3, ILL).judge() == full


def test_disturbed_tail_blocks_do_not_count():
    told = resolved_so_far().tail("fix", 10, WELL).tail("fix", 4, ILL, disturbed=True)
    assert told.judge().tail == ("fix",)
    assert told.tail("fix", 1, WELL).verdict().state == "resolved"


def test_slots_of_the_arm_outside_the_look_count_towards_the_tail():
    told = story(P50).strata(3, healthy=WELL, problem=ILL, fix=WELL)
    assert told.verdict().tail_clean == 9
    assert told.tail("fix", 8, WELL).verdict().state == "resolved"


def test_a_block_without_a_value_is_run_again_and_the_tail_is_given_up_at_twice_its_length():
    told = story(CALLS, healthy=False).strata(2, problem=11, fix=1).tail("fix", 11, (None, 1))
    assert told.verdict().tail_clean == 11
    assert told.judge().tail == ("fix",)
    told.tail("fix", 23, None)
    judgement = told.judge()
    assert judgement.verdicts[0].reason_code == "absent-values"
    assert judgement.tail == ()
    assert judgement.verdicts[0].reason.startswith("it could not be confirmed: only 11 of 17 blocks")


def test_at_the_last_look_the_slots_are_enough():
    told = story(SLOW, healthy=False).strata(4, problem=(0.3, 0.0) * 5 + (0.3, 0.3), fix=0.0)
    assert told.judge().open == ("fix",)
    verdict = told.strata(4, problem=0.3, fix=0.0).verdict()
    assert verdict.looks == 3
    assert (verdict.state, verdict.tail_clean, verdict.tail_of) == ("resolved", 24, 24)
    assert round(verdict.bad_share_below, 2) == 0.17


def test_a_placebo_needs_its_tail_as_well():
    told = story(P50, placebo=True).strata(2, healthy=WELL, problem=ILL, placebo=WELL, fix=ILL)
    assert told.judge().tail == ("placebo",)
