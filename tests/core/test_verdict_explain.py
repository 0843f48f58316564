"""Five lines that explain a verdict: what they say in each state, and that they say it everywhere alike."""

from __future__ import annotations

from dataclasses import replace

import pytest
from verdict_series import CALLS, GUARD, ILL, P50, SLOW, WELL, story

from lab.verdict.explain import for_run

HALF = (50.0, 52.0, 48.0, 51.0, 49.0, 53.0)
WIDE = (8.0, 14.0, 9.0, 15.0, 10.0, 16.0)
TERMS = ["Compared", "How sure", "Placebo", "Power", "Validity"]


def resolved():
    told = story(P50, placebo=True).strata(2, healthy=WELL, problem=ILL, placebo=ILL, fix=WELL)
    return told.tail("fix", 11, WELL)


def line(verdict, term):
    return next(told for told in verdict.explanation if told.startswith(f"{term}: "))


def test_a_resolved_fix_is_explained_in_numbers():
    told = resolved().verdict()
    assert [said.partition(": ")[0] for said in told.explanation] == TERMS
    assert line(told, "Compared") == (
        "Compared: p50 100 ms with the problem, 10.1 ms with fix, 10.1 ms healthy:"
        " 0.10x the problem (0.093x to 0.11x)"
    )
    assert line(told, "How sure") == (
        "How sure: 18 of 18 side-by-side comparisons of p50 favour fix by more than 1.1x (18 needed);"
        " look 1 of 3, 6 blocks an arm;"
        " shown: the problem shows, better than the problem, within what is allowed"
    )
    assert line(told, "Placebo") == (
        "Placebo: equal arms reach 18 of 18 at most once in 400 runs, at any look once in 108;"
        " the one in this run came out NOT RESOLVED with 0 of 18"
    )
    assert line(told, "Power").startswith("Power: this run could have seen p50 fall by ")
    assert line(told, "Power").endswith(
        " from 100 ms; nothing is missing, more blocks would not change the state"
    )
    assert line(told, "Validity") == (
        "Validity: 17 of 17 confirming blocks clean, so fewer than 24 % of its blocks are bad;"
        " 0 of 24 slots disturbed (at most 33 % may be); judge again: lab judge RUN"
    )


def test_the_placebo_is_told_that_it_is_one():
    told = resolved().verdict("placebo")
    assert "this arm is one, so it may never come out RESOLVED" in line(told, "Placebo")
    assert "with the placebo" in line(told, "Compared")
    assert "no gain of 1.5x" in line(told, "How sure")


def test_a_run_without_a_placebo_says_so():
    told = story(P50).strata(2, healthy=WELL, problem=ILL, fix=HALF).verdict()
    assert line(told, "Placebo").endswith("; none was judged beside it")
    assert "no confirming blocks" in line(told, "Validity")


def test_before_the_first_look_nothing_is_claimed():
    told = story(P50, placebo=True).verdict()
    assert line(told, "Compared") == "Compared: p50, in no block so far"
    assert line(told, "How sure") == "How sure: no look was taken yet; the first needs 6 blocks an arm"
    assert line(told, "Placebo").endswith("the one in this run is not decided yet")
    assert line(told, "Power") == (
        "Power: this run cannot say what it could have seen; missing are the blocks of the next look"
    )


def test_after_a_look_that_decides_nothing_the_next_one_is_missing():
    told = story(P50).strata(2, healthy=WELL, problem=ILL, fix=(9.0, 14.0, 9.5, 13.5)).verdict()
    assert told.reason_code == "undecided"
    assert line(told, "Power").endswith("; missing are the blocks of the next look")


def test_a_fault_without_its_symptom_names_what_is_missing():
    told = story(P50).strata(2, healthy=WELL, problem=WELL, fix=WELL).verdict()
    assert told.state == "not-reproduced"
    assert "missing is the symptom" in line(told, "Power")
    assert "the problem does not show" in line(told, "How sure")


def test_a_missing_fact_says_about_how_many_more_blocks_would_decide():
    told = story(P50).strata(8, healthy=WELL, problem=ILL, fix=WIDE).verdict()
    assert (told.state, told.reason_code) == ("inconclusive", "missing-within")
    more = told.more_blocks - told.blocks
    assert more > 0
    assert line(told, "Power").endswith(
        f"missing is a proof that it is back within what is allowed: about {more} more blocks an arm would decide"
    )
    assert "(55 needed); look 3 of 3, 24 blocks an arm" in line(told, "How sure")


def test_a_fix_that_works_now_and_then_is_not_sent_for_more_blocks():
    told = story(P50).strata(2, healthy=WELL, problem=ILL, fix=WELL).tail("fix", 11, (10.0, 90.0)).verdict()
    assert told.reason_code == "intermittent"
    assert "it works in some blocks and not in others" in line(told, "Power")
    assert f"{told.tail_clean} of 17 confirming blocks clean; " in line(told, "Validity")


def test_what_got_worse_is_the_measure_that_is_told():
    fine = {"queries": (10.0, 11.0, 12.0)}
    told = story(P50, GUARD).strata(
        2, healthy={"p50": WELL, **fine}, problem={"p50": ILL, **fine},
        fix={"p50": WELL, "queries": (30.0, 31.0, 32.0)},
    ).verdict()  # fmt: skip
    assert told.reason_code == "guardrail-worse"
    assert line(told, "How sure").endswith("shown for queries: worse than a guardrail may be")


def test_of_several_measures_the_one_that_holds_the_verdict_up_is_told():
    told = story(SLOW, CALLS).strata(
        8,
        healthy={"slow answers": 0.0, "calls per expiry": None},
        problem={"slow answers": (0.2, 0.3), "calls per expiry": (16.0, 18.0)},
        fix={"slow answers": (0.0, 0.0, 0.0, 0.07), "calls per expiry": 1.0},
    )
    verdict = told.verdict()
    assert (verdict.reason_code, verdict.agree_on) == ("missing-within", "calls per expiry")
    assert line(verdict, "How sure").endswith(
        "shown for slow answers: the problem shows, better than the problem"
    )
    assert line(verdict, "Power").endswith("and more blocks like these would not give it")


def test_limits_and_the_cause_come_with_the_numbers():
    told = story(SLOW, CALLS).strata(
        2,
        healthy={"slow answers": 0.0, "calls per expiry": None},
        problem={"slow answers": (0.2, 0.3), "calls per expiry": (16.0, 18.0)},
        fix={"slow answers": 0.0, "calls per expiry": 1.0},
    )
    compared = line(told.verdict(), "Compared")
    assert compared.startswith(
        "Compared: calls per expiry 17.0 with the problem, 1.0 with fix, limit 1: -16.0 against the problem"
    )
    assert (
        "; slow answers 25 % with the problem, 0 % with fix, 0 % healthy, limit 5 %: -25 points" in compared
    )
    assert "in no block over its limit" in line(told.verdict(), "How sure")
    assert "calls per expiry fall by " in line(told.verdict(), "Power")


def test_a_difference_that_hides_even_a_full_gain_is_said():
    told = story(CALLS).strata(
        2, healthy=0.0, problem=(2.0, 30.0, 3.0), fix=(1.0, 40.0, 2.0)
    )  # fmt: skip
    assert "could not have seen calls per expiry fall from 3.0, not even to 0" in line(
        told.verdict(), "Power"
    )


def test_disturbed_slots_are_counted_and_a_void_run_promises_nothing():
    told = resolved().rerun(3, 10.0)
    assert "1 of 24 slots disturbed (at most 33 % may be), measured again" in line(told.verdict(), "Validity")
    for position in range(0, 24, 2):
        told.rerun(position)
    void = told.verdict()
    assert void.state == "void"
    assert line(void, "Power") == (
        "Power: this run cannot say what it could have seen; missing is a valid run"
    )
    assert line(void, "Validity").startswith("Validity: void (disturbed); ")


@pytest.mark.parametrize("told", [resolved(), story(P50), story(P50, placebo=True)])
def test_there_are_always_five_and_none_repeats_the_reason(told):
    for verdict in told.judge().verdicts:
        assert len(verdict.explanation) == 5
        assert all(verdict.reason not in said and "None" not in said for said in verdict.explanation)


def test_a_rendering_names_the_run_and_changes_nothing_else():
    judgement = resolved().judge()
    named = for_run(judgement, "k3v9x2")
    assert line(named.verdicts[0], "Validity").endswith("; judge again: lab judge k3v9x2")
    assert named.verdicts[0].explanation[:4] == judgement.verdicts[0].explanation[:4]
    assert replace(named, verdicts=()) == replace(judgement, verdicts=())
