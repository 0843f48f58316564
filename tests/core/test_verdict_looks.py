"""Which blocks count: reruns, the gate, complete strata, short last looks, arms that leave, groups."""

from __future__ import annotations

from dataclasses import replace

from verdict_series import ILL, P50, SLOW, WELL, story

HALF = (50.0, 52.0, 48.0, 51.0, 49.0, 53.0)
SLIGHT = (60.0, 102.0, 61.0, 104.0, 62.0, 106.0)  # undecided until the last look


def but_for_the_slots(judgement):
    """Without the last line of each explanation, which counts all slots that were run so far."""
    verdicts = tuple(replace(v, explanation=v.explanation[:4]) for v in judgement.verdicts)
    return replace(judgement, verdicts=verdicts)


def test_before_two_strata_nothing_is_decided_and_medians_show():
    told = story(P50, placebo=True).strata(1, healthy=WELL, problem=ILL, placebo=ILL, fix=WELL)
    judgement = told.judge()
    assert judgement.open == ("fix", "placebo")
    for verdict in judgement.verdicts:
        assert (verdict.state, verdict.reason_code, verdict.looks) == ("inconclusive", "undecided", 0)
        assert verdict.measures[0].problem == 101.0
        assert verdict.measures[0].ratio is None


def test_an_incomplete_stratum_does_not_count():
    told = story(P50).strata(2, healthy=WELL, problem=ILL, fix=HALF)
    told.blocks.pop(told.of("problem")[-1])
    assert told.judge().open == ("fix",)


def test_an_arm_that_is_undecided_stays_open_and_one_that_is_decided_leaves():
    told = story(P50, fixes=("good", "slight")).strata(
        2, healthy=WELL, problem=ILL, good=HALF, slight=SLIGHT
    )  # fmt: skip
    assert told.judge().open == ("slight",)
    told.strata(6, healthy=WELL, problem=ILL, slight=SLIGHT)
    judgement = told.judge()
    assert judgement.open == ()
    assert [(v.state, v.looks) for v in judgement.verdicts] == [("improved", 1), ("not-resolved", 3)]


def test_what_was_decided_at_a_look_is_not_undone_by_later_blocks():
    told = story(P50).strata(2, healthy=WELL, problem=ILL, fix=HALF)
    early = told.judge()
    told.strata(6, healthy=WELL, problem=ILL, fix=ILL)
    assert but_for_the_slots(told.judge()) == but_for_the_slots(early)


def test_facts_stay_once_they_were_proven():
    told = story(P50).strata(2, healthy=WELL, problem=ILL, fix=(10.0, 10.2, 12.6, 10.1, 10.3, 12.5))
    assert told.verdict().measures[0].facts == ("REP", "BETTER")
    told.strata(2, healthy=WELL, problem=(9.0, 8.0, 10.0), fix=(11.0, 11.2, 11.1))
    verdict = told.verdict()
    assert verdict.looks == 2
    assert verdict.measures[0].facts == ("REP", "BETTER", "WITHIN")
    assert verdict.measures[0].upper > 1, "no longer better by now, but it was proven at the first look"


def test_no_block_over_the_limit_so_far_is_not_a_fact_that_stays():
    told = story(SLOW, healthy=False).strata(2, problem=(0.3, 0.3, 0.3, 0.3, 0.3, 0.0), fix=0.0)
    assert "WITHIN" in told.verdict().measures[0].facts
    told.strata(2, problem=0.3, fix=(0.0, 0.0, 0.06))
    assert "WITHIN" not in told.verdict().measures[0].facts


class TestTheGate:
    def test_a_disturbed_slot_counts_with_its_rerun(self):
        told = story(P50).strata(2, healthy=WELL, problem=ILL, fix=HALF)
        clean = told.judge()
        told.rerun(told.of("fix")[0], HALF[0])
        disturbed = told.blocks[told.of("fix")[0]]
        assert disturbed.disturbed
        again = told.judge()
        assert again.gate_on
        assert but_for_the_slots(again) == but_for_the_slots(clean)
        assert "1 of 18 slots disturbed" in again.verdicts[0].explanation[4]

    def test_the_value_of_a_disturbed_attempt_is_never_used(self):
        told = story(P50).strata(2, healthy=WELL, problem=ILL, fix=HALF)
        position = told.of("fix")[0]
        told.blocks[position] = told.blocks[position].__class__(
            **{**told.blocks[position].__dict__, "values": {"p50": 9_999.0}}
        )
        told.rerun(position, HALF[0])
        assert told.verdict().state == "improved"

    def test_a_slot_whose_attempts_are_all_disturbed_is_missing_with_its_stratum(self):
        told = story(P50).strata(2, healthy=WELL, problem=ILL, fix=HALF)
        told.rerun(told.of("healthy")[0])
        assert told.judge().open == ("fix",)
        told.strata(1, healthy=WELL, problem=ILL, fix=HALF)
        assert told.verdict().state == "improved"

    def test_disturbances_of_one_arm_alone_switch_the_gate_off(self):
        told = story(P50).strata(2, healthy=WELL, problem=ILL, fix=200.0)
        for _ in range(6):
            position = next(
                p for p in told.of("fix") if not told.blocks[p].disturbed and told.blocks[p].attempt == 1
            )
            told.rerun(position, WELL[0])
        judgement = told.judge()
        assert not judgement.gate_on
        assert "disturbed blocks fell unevenly on the arms compared for fix" in judgement.warnings[0]
        assert judgement.verdicts[0].state == "regressed", "first attempts count, not the lucky reruns"

    def test_disturbances_spread_over_the_arms_leave_the_gate_on(self):
        told = story(P50).strata(2, healthy=WELL, problem=ILL, fix=HALF)
        for arm in ("healthy", "problem", "fix"):
            told.rerun(told.of(arm)[0], told.blocks[told.of(arm)[0]].values["p50"])
        judgement = told.judge()
        assert judgement.gate_on
        assert judgement.verdicts[0].state == "improved"

    def test_more_than_a_third_of_disturbed_slots_voids_the_run(self):
        told = story(P50, placebo=True).strata(1, healthy=WELL, problem=ILL, placebo=ILL, fix=HALF)
        for arm in ("healthy", "problem", "placebo", "fix"):
            told.rerun(told.of(arm)[0], told.blocks[told.of(arm)[0]].values["p50"])
        assert told.judge().void is None, "4 of 12 is a third and not more"
        told.rerun(told.of("fix")[2], 50.0)
        judgement = told.judge()
        assert "disturbed 5 of 12 slots (42 %, at most 33 % allowed)" in judgement.void
        assert {v.state for v in judgement.verdicts} == {"void"}
        assert judgement.open == judgement.tail == ()

    def test_five_disturbed_slots_say_nothing_yet(self):
        told = story(P50).strata(1, healthy=WELL, problem=ILL, fix=HALF)
        told.blocks = told.blocks[:5]
        for position in range(5):
            told.rerun(position)
        assert told.judge().void is None


class TestTheLastLook:
    def test_it_is_taken_on_seven_strata_where_one_was_lost(self):
        told = story(P50).strata(8, healthy=WELL, problem=ILL, fix=SLIGHT)
        told.rerun(told.of("healthy")[4])
        verdict = told.verdict()
        assert (verdict.state, verdict.looks, verdict.blocks, verdict.pairs) == ("not-resolved", 3, 21, 63)
        assert told.judge().open == ()

    def test_it_waits_while_the_newest_slot_may_be_run_again(self):
        told = story(P50).strata(8, healthy=WELL, problem=ILL, fix=SLIGHT)
        told.rerun(len(told.blocks) - 1)
        assert told.judge().open == ("fix",)
        newest = told.blocks[-1]
        told.rerun(len(told.blocks) - 1, newest.values["p50"])
        assert told.judge().open == ()
        assert told.verdict().blocks == 24


def test_each_group_has_its_own_healthy_problem_and_placebo():
    told = story(P50, groups=2, placebo=True)
    told.strata(2, healthy=WELL, problem=ILL, placebo=ILL, fix=HALF)
    waiting = told.judge()
    assert waiting.open == ("fix.2", "placebo.2")
    slow = tuple(10 * v for v in ILL)
    told.strata(2, **{"healthy.2": ILL, "problem.2": slow, "placebo.2": slow, "fix.2": slow})
    judgement = told.judge()
    assert [(v.fix, v.arm, v.group, v.state) for v in judgement.verdicts] == [
        ("fix", "fix", 1, "improved"),
        ("fix.2", "fix.2", 2, "not-resolved"),
        ("placebo", "placebo", 1, "not-resolved"),
        ("placebo", "placebo.2", 2, "not-resolved"),
    ]
    assert judgement.verdicts[0].measures[0].healthy == 10.05
    assert judgement.verdicts[1].measures[0].healthy == 100.0
    assert judgement.problem_reproduced
