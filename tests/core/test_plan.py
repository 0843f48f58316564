"""What is decided before the first request: arms, groups, order, seeds."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.catalog import kinds, load_scenario
from lab.errors import LabError
from lab.model.measures import measure_specs
from lab.model.run import Plan
from lab.plan import MOST_ARMS, Choice, choose_fixes, estimate, make_plan, refuse_unmet_needs

STAMPEDE = load_scenario("stampede")


def plan(fixes: tuple[str, ...] = ("single-flight",), seed: int = 7, control: bool = True) -> Plan:
    choice = Choice(fixes=fixes, seed=seed, stack="embedded", control=control)
    return make_plan(STAMPEDE, choice, measure_specs(STAMPEDE, kinds()))


def test_a_run_has_a_healthy_a_problem_and_a_placebo_arm_beside_the_fix() -> None:
    assert [arm.role for arm in plan().arms] == ["healthy", "problem", "placebo", "fix"]
    assert [arm.faulty for arm in plan().arms] == [False, True, True, True]


def test_only_the_fix_arm_runs_other_code() -> None:
    code = {arm.name: dict(arm.code) for arm in plan().arms}
    assert code.pop("single-flight") == {"stampede": "single_flight"}
    assert set(map(str, code.values())) == {"{}"}


def test_a_fix_that_needs_more_processes_gets_arms_of_its_own() -> None:
    found = plan(("single-flight", "distributed-lock"))
    assert [len(group.arms) for group in found.groups] == [4, 4]
    assert {arm.processes for arm in found.arms if arm.group == 2} == {2}
    assert "problem.2" in found.groups[1].arms


def test_groups_stay_small() -> None:
    found = plan(tuple(STAMPEDE.fixes))
    assert all(len(group.arms) <= MOST_ARMS for group in found.groups)
    assert {fix.name for fix in found.fixes} == set(STAMPEDE.fixes)


@given(seed=st.integers(0, 2**64 - 1))
def test_every_stratum_holds_every_arm_three_times(seed: int) -> None:
    for stratum in plan(seed=seed).groups[0].order:
        assert set(Counter(stratum).values()) == {3}


def test_a_seed_repeats_a_plan_and_another_seed_does_not() -> None:
    assert plan(seed=1) == plan(seed=1)
    assert plan(seed=1).groups[0].order != plan(seed=2).groups[0].order
    assert plan(seed=1).block.arrivals_seed != plan(seed=2).block.arrivals_seed


def test_the_placebo_can_be_left_out() -> None:
    assert "placebo" not in plan(control=False).groups[0].arms


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (None, ("single-flight",)),
        ("none", ()),
        ("all", tuple(STAMPEDE.fixes)),
        ("early-expiry", ("early-expiry",)),
    ],
)
def test_fixes_that_are_asked_for(asked: str | None, names: tuple[str, ...]) -> None:
    assert choose_fixes(STAMPEDE, asked) == names


def test_later_looks_and_more_fixes_take_longer() -> None:
    one, two = estimate(plan()).looks, estimate(plan(("single-flight", "stale-while-revalidate"))).looks
    assert list(one) == sorted(one)
    assert all(a < b for a, b in zip(one, two, strict=True))


def test_a_stack_that_cannot_do_what_the_scenario_needs_is_refused() -> None:
    refuse_unmet_needs(STAMPEDE, ("single-flight",), "full", frozenset({"postgres", "redis", "app", "code"}))
    with pytest.raises(LabError, match=r"(?s)cannot run stampede.*redis"):
        refuse_unmet_needs(STAMPEDE, (), "bare", frozenset({"postgres", "app"}))
