"""What is decided before the first request: arms, groups, order, seeds."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from lab.catalog import kinds, load_scenario
from lab.errors import LabError
from lab.model.measures import measure_specs
from lab.model.run import BlockPlan, Control, Design, Plan
from lab.model.scenario import Scenario, Stage
from lab.plan import MOST_ARMS, STRICT_TAIL, Choice, choose_fixes, estimate, make_plan, refuse_unmet_needs
from lab.scenario import parse
from lab.scenario.reading import amended
from lab.verdict.exact import bad_share_below

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


def controlled(control: Control, fixes: tuple[str, ...] = ("single-flight",)) -> Plan:
    choice = Choice(fixes=fixes, seed=7, stack="embedded", control_as_fix=control)
    return make_plan(STAMPEDE, choice, measure_specs(STAMPEDE, kinds()))


def test_a_placebo_can_take_the_place_of_the_fix_and_then_needs_none_beside_it() -> None:
    found = controlled("placebo")
    assert [arm.name for arm in found.arms] == ["healthy", "problem", "control-placebo"]
    arm = found.arm("control-placebo")
    assert (arm.role, arm.fix, arm.faulty, dict(arm.code)) == ("fix", "control-placebo", True, {})
    (claim,) = found.fixes
    assert "resolved" not in claim.expect
    assert not claim.documented


def test_a_perfect_fix_is_an_arm_without_the_fault() -> None:
    found = controlled("perfect")
    assert [arm.name for arm in found.arms] == ["healthy", "problem", "placebo", "control-perfect"]
    arm = found.arm("control-perfect")
    assert (arm.role, arm.faulty, arm.spared, dict(arm.code)) == ("fix", False, True, {})
    assert [fix.expect for fix in found.fixes] == [("resolved",)]


@pytest.mark.parametrize("control", ["placebo", "perfect"])
def test_a_control_stands_for_all_fixes_in_one_group_of_the_first_ones_shape(control: Control) -> None:
    found = controlled(control, ("distributed-lock", "single-flight"))
    assert len(found.groups) == 1
    assert [fix.stands_for for fix in found.fixes] == [("distributed-lock", "single-flight")]
    assert {arm.processes for arm in found.arms} == {2}
    assert estimate(found).looks[0] > 0
    adapter = TypeAdapter(Plan)
    assert adapter.validate_json(adapter.dump_json(found)) == found


def test_no_arm_of_a_plain_run_is_spared_its_fault() -> None:
    assert [arm.name for arm in plan().arms if arm.spared] == []
    assert [fix.stands_for for fix in plan().fixes] == [()]


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


@pytest.mark.parametrize(("written", "asked"), [(True, False), (False, True), (True, True)])
def test_a_strict_fix_stays_clean_until_a_tenth_of_bad_blocks_is_excluded(written: bool, asked: bool) -> None:
    scenario = amended(STAMPEDE, strict=written)
    choice = Choice(fixes=("single-flight",), seed=7, stack="embedded", strict=asked)
    found = make_plan(scenario, choice, measure_specs(scenario, kinds()))
    assert found.design == Design(tail=STRICT_TAIL)
    assert bad_share_below(STRICT_TAIL) <= 0.1 < bad_share_below(STRICT_TAIL - 1)
    assert estimate(found).looks[0] > estimate(plan()).looks[0]


def test_a_scenario_is_lenient_unless_it_says_otherwise() -> None:
    assert plan().design == Design()
    assert not STAMPEDE.strict
    assert parse(STAMPEDE.source + "strict: true\n", kinds(), "stampede.yaml").strict


def test_a_stack_that_cannot_do_what_the_scenario_needs_is_refused() -> None:
    refuse_unmet_needs(STAMPEDE, ("single-flight",), "full", frozenset({"postgres", "redis", "app", "code"}))
    bare = frozenset({"postgres", "app"})
    with pytest.raises(LabError, match=r"(?s)cannot run stampede.*redis") as refused:
        refuse_unmet_needs(STAMPEDE, (), "bare", bare)
    assert refused.value.do.startswith("no stack can")
    able = {"full": bare | {"redis", "code"}, "half": bare}
    with pytest.raises(LabError) as refused:
        refuse_unmet_needs(STAMPEDE, (), "bare", bare, others=able)
    assert refused.value.do == "take a stack that can: --stack full"


def loaded(load: str, path: str = "some/where/stampede.yaml") -> Scenario:
    """The stampede under another load, which is written like the old one from ``load:`` on."""
    before, _, rest = STAMPEDE.source.partition("\nload:\n")
    after = rest[rest.index("\nfaults:") :]
    return parse(f"{before}\nload: {{{load}, block: 600ms}}\n{after}", kinds(), path)


def block(scenario: Scenario, rate: float | None = None) -> BlockPlan:
    choice = Choice(fixes=(), seed=7, stack="embedded", rate=rate)
    return make_plan(scenario, choice, measure_specs(scenario, kinds())).block


REQUESTS = "requests: [{name: ranking, get: /products/top}]"
STAGES = "stages: [{rate: 0/s, to: 200/s, length: 200ms}, {rate: 100/s, length: 400ms}]"


def test_stages_are_planned_as_they_are_written() -> None:
    found = block(loaded(f"{STAGES}, {REQUESTS}"))
    assert found.stages == (Stage(rate=0, to=200, length=0.2), Stage(rate=100, length=0.4))
    assert found.rate == pytest.approx(100)


def test_another_rate_keeps_the_shape_of_the_stages() -> None:
    found = block(loaded(f"{STAGES}, {REQUESTS}"), rate=50)
    assert found.rate == 50
    assert [(one.rate, one.to) for one in found.stages] == [
        (0, pytest.approx(100)),
        (pytest.approx(50), None),
    ]


def test_a_longer_stretch_has_the_stages_again_and_a_shorter_one_or_another_rate_has_none() -> None:
    found = block(loaded(f"{STAGES}, {REQUESTS}"))
    assert found.stages_for(found.length_s, found.rate) == found.stages
    longer = found.stages_for(2.5 * found.length_s, found.rate)
    assert longer[:-1] == found.stages * 2
    assert (longer[-1].rate, longer[-1].length) == (found.rate, pytest.approx(found.length_s / 2))
    assert found.stages_for(0.4, found.rate) == (Stage(rate=found.rate, length=0.4),)
    assert found.stages_for(found.length_s, 6.0) == (Stage(rate=6.0, length=found.length_s),)
    steady = block(STAMPEDE)
    assert steady.stages_for(steady.length_s, steady.rate) == (Stage(rate=steady.rate, length=0.5),)


@pytest.mark.parametrize(
    ("written", "planned"),
    [
        ("users/shop.py", "some/where/users/shop.py"),
        ("../shop.py", "some/where/../shop.py"),
        ("/a/b.py", "/a/b.py"),
    ],
)
def test_a_locustfile_is_found_from_the_folder_of_the_scenario(written: str, planned: str) -> None:
    found = block(loaded(f"rate: 100/s, locustfile: {written}, classes: [Buyer]"))
    assert (found.locustfile, found.user_classes) == (planned, ("Buyer",))


def test_closed_load_has_users_and_no_rate_to_set() -> None:
    closed = loaded(f"users: 10, {REQUESTS}")
    assert (block(closed).users, block(closed).rate) == (10, 0.0)
    with pytest.raises(LabError, match="has no rate to set"):
        block(closed, rate=100)


@pytest.mark.parametrize("rate", [0, -5, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(LabError, match="no load can have a rate of"):
        block(STAMPEDE, rate=rate)


def test_a_plan_from_before_stages_still_reads() -> None:
    adapter = TypeAdapter(Plan)
    data = adapter.dump_python(plan(), mode="json")
    for later in ("stages", "users", "locustfile", "user_classes"):
        del data["block"][later]
    assert adapter.validate_python(data) == plan()


def test_a_plan_reads_back_as_it_was_written() -> None:
    staged = loaded(f"{STAGES}, {REQUESTS}")
    made = make_plan(staged, Choice(fixes=(), seed=7, stack="embedded"), measure_specs(staged, kinds()))
    adapter = TypeAdapter(Plan)
    assert adapter.validate_json(adapter.dump_json(made)) == made
