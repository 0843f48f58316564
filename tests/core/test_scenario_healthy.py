"""What a scenario may call healthy, and fixes that act in each block."""

from __future__ import annotations

import pytest
from scenario_text import FAULTS, FIXES, LOAD, PROSE, SYMPTOMS, WHOLE, only

from lab.catalog import kinds
from lab.model.measures import measure_specs
from lab.model.scenario import Healthy, Scenario
from lab.plan import Choice, make_plan
from lab.scenario import parse

CALM = "{load: {requests: [{name: home, get: /calm}]}}"


def scenario(text: str) -> Scenario:
    return parse(text, kinds(), "slow-page.yaml")


def codes(what: Scenario, **choice: object) -> dict[str, dict[str, str]]:
    chosen = Choice(fixes=("better",), seed=1, stack="embedded", **choice)  # type: ignore[arg-type]
    plan = make_plan(what, chosen, measure_specs(what, kinds()))
    return {arm.name: dict(arm.code) for arm in plan.arms}


def test_without_a_word_healthy_is_the_arm_without_faults() -> None:
    assert scenario(WHOLE).healthy == Healthy(by="fault-off")


def test_healthy_by_code_runs_another_variant_and_needs_no_fault() -> None:
    found = scenario(PROSE + LOAD + "healthy: {code: reference}\n" + SYMPTOMS + FIXES)
    assert codes(found) == {
        "healthy": {"slow_page": "reference"},
        "problem": {},
        "placebo": {},
        "better": {"slow_page": "better"},
    }
    assert codes(found, control_as_fix="perfect")["control-perfect"] == {"slow_page": "reference"}
    assert codes(found, control_as_fix="placebo")["control-placebo"] == {}


def test_healthy_by_load_is_asked_other_requests() -> None:
    found = scenario(PROSE + LOAD + f"healthy: {CALM}\n" + SYMPTOMS + FIXES)
    assert [one.path for one in found.healthy.requests] == ["/calm"]
    assert [one.path for one in found.load.requests] == ["/"]


def test_of_several_instances_each_arm_names_its_code() -> None:
    found = scenario(WHOLE + "stack: {instances: 3}\n")
    assert found.stack.names == ("balancer", "app-1", "app-2", "app-3", "postgres", "redis")
    assert codes(found)["problem"] == {"slow_page": "problem"}
    assert codes(found)["better"] == {"slow_page": "better"}


@pytest.mark.parametrize(
    ("healthy", "message"),
    [
        ("{}", "healthy is a word, or has exactly one of the keys code, load: here none"),
        ("{code: a, load: {requests: []}}", "here code and load"),
        ("{code: 3}", "name a variant of the scenario's module"),
        ("{load: {requests: []}}", "the list is empty"),
        ("{load: {rate: 3/s, requests: [{name: home, get: /}]}}", "unknown key 'rate'"),
        ("{load: {requests: [{name: home, get: calm}]}}", "path"),
    ],
)
def test_a_wrong_healthy_is_told(healthy: str, message: str) -> None:
    text = PROSE + LOAD + FAULTS + SYMPTOMS + FIXES + f"healthy: {healthy}\n"
    assert any(message in one.message for one in [*_all(text)])


def _all(text: str) -> list:
    from scenario_text import problems

    return problems(text)


def test_a_measured_request_is_asked_when_all_is_well_too() -> None:
    symptoms = SYMPTOMS.replace("limit: 1%", "limit: 1%, of: home")
    text = PROSE + LOAD + f"healthy: {CALM.replace('home', 'calm')}\n" + symptoms + FIXES
    assert only(text).message == "healthy is asked no home: name one of its requests so"


def test_a_fix_may_act_in_each_block() -> None:
    fixes = FIXES.replace("code: better", "when: each-block, at: 200ms, code: better")
    fix = scenario(PROSE + LOAD + FAULTS + SYMPTOMS + fixes).fixes["better"]
    assert (fix.when, fix.at) == ("each-block", 0.2)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("at: 200ms", "once is before the first block: leave out, or write when: each-block"),
        ("when: each-block, at: 3s", "the block ends after 1000ms, before it"),
    ],
)
def test_a_moment_that_never_comes_is_told(keys: str, message: str) -> None:
    fixes = FIXES.replace("code: better", f"{keys}, code: better")
    assert only(PROSE + LOAD + FAULTS + SYMPTOMS + fixes).message == message


def test_instances_are_within_reason() -> None:
    assert "1 to 8 instances" in only(WHOLE + "stack: {instances: 9}\n").message
