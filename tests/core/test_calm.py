"""A calm run: its plan, what it measures, what it says a fix costs, and that it judges nothing."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import JUnitXml
from verdict_series import Story, Told

from lab.catalog import kinds, load_scenario
from lab.cli.run import Asked, again, plans
from lab.errors import Exit, LabError
from lab.model.costs import COSTS, on_a_calm_day
from lab.model.measures import known_measures, measure_specs
from lab.model.report import Report
from lab.model.run import Plan
from lab.model.scenario import Healthy, Load, Scenario, StackNeeds
from lab.plan import MOST_ARMS, Choice, estimate, make_plan
from lab.report import terminal
from lab.report.costs import cost_rows
from lab.report.junit import as_junit
from lab.report.machine import as_json
from lab.report.markdown import as_markdown
from lab.report.page import as_html
from lab.runner.outcome import exit_of
from lab.stacks.embedded import Embedded
from lab.verdict import judge
from lab.verdict.calm import CALM, CalmCost, calm_costs, is_calm
from lab.verdict.exact import chance
from tests.fake_reports import make_report

STAMPEDE = load_scenario("stampede")
ANSWER, CPU, CALLS = COSTS[0].name, COSTS[4].name, COSTS[9].name
EVEN = (10.0, 10.3, 9.8, 10.1, 9.9, 10.2)


def calm_plan(*fixes: str, scenario: Scenario = STAMPEDE) -> Plan:
    calm = on_a_calm_day(scenario, kinds())
    choice = Choice(fixes=fixes or ("single-flight",), seed=7, stack="embedded", calm=True)
    return make_plan(calm, choice, measure_specs(calm, kinds()))


def told(healthy: Told, calm: Told, strata: int = 4) -> Story:
    return Story(calm_plan()).strata(strata, **{"healthy": healthy, "calm-single-flight": calm})


def cost(healthy: Told, calm: Told, measure: str = ANSWER, strata: int = 4) -> CalmCost:
    story = told(healthy, calm, strata)
    return next(c for c in calm_costs(story.plan, story.blocks) if c.measure == measure)


def said(one: CalmCost) -> str:
    (row,) = cost_rows([one])
    return row.change


# -- plan and measures -----------------------------------------------------------------------------


def test_every_fix_stands_beside_a_healthy_arm_and_nothing_is_faulty() -> None:
    plan = calm_plan(*STAMPEDE.fixes)
    assert Counter(arm.role for arm in plan.arms) == {"healthy": len(plan.groups), "calm": 4}
    assert not any(arm.faulty for arm in plan.arms)
    assert {arm.fix for arm in plan.arms if arm.role == "calm"} == set(STAMPEDE.fixes)
    assert plan.fixes == () and is_calm(plan)
    for group in plan.groups:
        assert len(group.arms) <= MOST_ARMS
        assert plan.in_group(group.n, "healthy") is not None
        assert {n for stratum in group.order for n in Counter(stratum).values()} == {CALM.per_stratum}
        assert len(group.order) == CALM.looks[-1]


def test_a_calm_arm_runs_the_code_of_its_fix() -> None:
    assert {arm.name: dict(arm.code) for arm in calm_plan().arms} == {
        "healthy": {},
        "calm-single-flight": {"stampede": "single_flight"},
    }


@pytest.mark.parametrize(
    ("healthy", "code"),
    [(Healthy(by="limit"), {}), (Healthy(by="code", code="reference"), {"stampede": "reference"})],
)
def test_what_it_is_compared_with_is_the_app_that_is_well(healthy: Healthy, code: dict[str, str]) -> None:
    plan = calm_plan(scenario=replace(STAMPEDE, healthy=healthy))
    well = plan.arm("healthy")
    assert dict(well.code) == code
    assert plan.has_healthy


def test_a_judged_plan_is_as_it_was() -> None:
    choice = Choice(fixes=("single-flight",), seed=7, stack="embedded")
    assert not is_calm(make_plan(STAMPEDE, choice, measure_specs(STAMPEDE, kinds())))


def test_without_a_fix_there_is_no_cost_to_measure() -> None:
    choice = Choice(fixes=(), seed=7, stack="embedded", calm=True)
    with pytest.raises(LabError, match="no fix here whose cost could be measured"):
        make_plan(STAMPEDE, choice, measure_specs(STAMPEDE, kinds()))


def test_no_fault_and_no_symptom_is_left_on_a_calm_day() -> None:
    calm = on_a_calm_day(STAMPEDE, kinds())
    assert not (calm.faults or calm.guardrails or calm.evidence or calm.closing)
    assert not {m.name for m in calm.symptoms} & {m.name for m in STAMPEDE.symptoms}
    assert (calm.load, calm.source) == (STAMPEDE.load, STAMPEDE.source)


def test_every_cost_is_a_known_measure_under_a_name_of_its_own() -> None:
    assert {measure.measure for measure in COSTS} <= set(known_measures(kinds()))
    assert len({measure.name for measure in COSTS}) == len(COSTS)


def test_only_what_the_stack_has_is_measured() -> None:
    without = replace(STAMPEDE, stack=StackNeeds(services=("postgres",)))
    found = {m.measure for m in on_a_calm_day(without, kinds()).symptoms}
    assert {"postgres.calls", "wal.bytes", "memory.peak", "latency.p50"} <= found
    assert "redis.commands" not in found


@pytest.mark.parametrize(("block", "measured"), [("990ms", False), ("1s", True)])
def test_a_95th_percentile_wants_a_hundred_requests(block: str, measured: bool) -> None:
    load = Load(rate="100/s", block=block, requests=STAMPEDE.load.requests)  # type: ignore[arg-type]
    scenario = replace(STAMPEDE, load=load)
    found = {m.measure for m in on_a_calm_day(scenario, kinds()).symptoms}
    assert ("latency.p95" in found) is measured


def test_a_calm_run_is_shorter_than_a_judged_one() -> None:
    choice = Choice(fixes=("single-flight",), seed=7, stack="embedded")
    judged = make_plan(STAMPEDE, choice, measure_specs(STAMPEDE, kinds()))
    (calm,) = estimate(calm_plan()).looks
    assert calm < max(estimate(judged).looks)


# -- costs -----------------------------------------------------------------------------------------


def test_its_bounds_hold_in_99_of_100_runs() -> None:
    (strata,), (allowed,), (alpha,) = CALM.looks, CALM.allowed, CALM.alpha
    assert float(chance(strata, allowed)) <= alpha < float(chance(strata, allowed + 1))
    assert 2 * alpha < 0.01


def test_a_dearer_fix_is_seen_with_its_factor() -> None:
    found = cost(EVEN, [v * 1.5 for v in EVEN])
    assert found.ratio == pytest.approx(1.5, rel=0.02)
    assert found.lower is not None and found.upper is not None
    assert found.ratio is not None
    assert 1.4 < found.lower <= found.ratio <= found.upper < 1.6
    assert said(found).startswith("+50 % (+4")


def test_equal_arms_differ_in_nothing_and_it_says_what_could_have_been_seen() -> None:
    found = cost(EVEN, EVEN[::-1])
    assert found.lower is not None and found.upper is not None
    assert found.lower <= 1 <= found.upper
    assert said(found) == "no difference seen (below 2 %)"


def test_a_difference_that_equal_arms_have_as_well_says_so() -> None:
    assert said(cost(EVEN, [v * 1.08 for v in EVEN])).endswith("as two equal arms may")


def test_counts_are_compared_by_their_difference() -> None:
    assert said(cost({CALLS: 2.0}, {CALLS: 3.0}, CALLS)) == "+1.0 (+1.0 to +1.0)"
    assert said(cost({CALLS: 2.0}, {CALLS: 2.0}, CALLS)) == "no difference"
    assert said(cost({CALLS: (2.0, 2.1)}, {CALLS: (2.1, 2.0)}, CALLS)).startswith(
        "no difference seen (below 0."
    )


def test_what_was_hardly_ever_measured_is_not_known() -> None:
    """Zero has no quotient: a CPU that was too little used to be counted is absent."""
    assert said(cost({CPU: (0.0, 0.0, 1.0)}, {CPU: 1.0}, CPU)) == "not known: too few blocks have a value"
    assert cost_rows([cost({CPU: 0.0}, {CPU: 0.0}, CPU)]) == ()


def test_before_its_look_a_run_knows_no_costs() -> None:
    story = told(EVEN, EVEN, strata=3)
    assert calm_costs(story.plan, story.blocks) == ()


@given(st.lists(st.floats(0.5, 2), min_size=12, max_size=12), st.floats(0.1, 10))
def test_a_factor_on_every_block_moves_the_whole_interval(values: list[float], factor: float) -> None:
    one, other = cost(values, values[::-1]), cost(values, [v * factor for v in values[::-1]])
    assert one.ratio and one.lower and one.upper and one.lower <= one.ratio <= one.upper
    assert (other.ratio, other.lower, other.upper) == pytest.approx(
        (one.ratio * factor, one.lower * factor, one.upper * factor)
    )


# -- reports ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    plain = make_report(tmp_path_factory.mktemp("calm"))
    story = told({ANSWER: EVEN, CPU: 1.0, CALLS: 2.0}, {ANSWER: EVEN[::-1], CPU: 2.0, CALLS: 3.0})
    return replace(
        plain,
        plan=story.plan,
        blocks=tuple(story.blocks),
        judgement=judge(story.plan, story.blocks),
        curves={}, profiles={}, timeline={}, evidence={}, faults=(), events=(),
    )  # fmt: skip


def test_nothing_is_judged_and_the_run_succeeded(report: Report) -> None:
    assert report.judgement.verdicts == () and report.judgement.void is None
    assert exit_of(report.judgement, None) is Exit.OK


def test_json_holds_every_cost(report: Report) -> None:
    found = {one["measure"]: one for one in json.loads(json.dumps(as_json(report)))["calm"]}
    assert set(found) == {spec.name for spec in report.plan.measures}
    assert (found[CPU]["healthy"], found[CPU]["calm"], found[CPU]["ratio"]) == (1.0, 2.0, 2.0)
    assert (found[CALLS]["scale"], found[CALLS]["lower"]) == ("difference", 1.0)


def test_the_terminal_has_rows_for_differences_and_one_line_for_the_rest(report: Report) -> None:
    lines = terminal.ending(report).splitlines()
    assert lines[1].split()[:2] == ["fix", "measure"]
    assert [" ".join(line.split()) for line in lines[2:4]] == [
        f"single-flight {CPU} 1 ms 2 ms × 2.0 (× 2.0 to × 2.0)",
        f"single-flight {CALLS} 2.0 3.0 +1.0 (+1.0 to +1.0)",
    ]
    assert lines[4] == f"  single-flight, no difference seen: {ANSWER} (below 2 %)"


def test_markdown_and_page_have_a_table_of_costs(report: Report) -> None:
    text, page = as_markdown(report), as_html(report)
    for rendered in (text, page):
        assert "What single-flight costs on a calm day" in rendered.replace("\\-", "-")
        assert f"{CPU}" in rendered and "× 2.0 (× 2.0 to × 2.0)" in rendered.replace("\u00a0", " ")
    assert "placebo" not in page.partition("</style>")[2].partition("<script")[0]
    assert "no fix was" not in page.lower()


def test_junit_has_a_case_that_cannot_fail(report: Report) -> None:
    suite = next(iter(JUnitXml.fromstring(as_junit(report).encode())))
    assert (suite.tests, suite.failures, suite.errors) == (1, 0, 0)


def test_a_void_run_says_nothing_of_costs(report: Report) -> None:
    void = replace(report, judgement=replace(report.judgement, void="the machine was busy"))
    assert as_json(void)["calm"] == []
    assert "VOID: the machine was busy" in terminal.ending(void)
    assert next(iter(JUnitXml.fromstring(as_junit(void).encode()))).errors == 1


# -- the command line ------------------------------------------------------------------------------


def test_the_command_that_repeats_it_is_calm_as_well(tmp_path: Path) -> None:
    asked = Asked(names=("stampede",), fix="all", calm=True, seed=7, out=tmp_path)
    ((scenario, plan),) = plans(asked, Embedded())
    assert is_calm(plan)
    assert again(asked, scenario, plan) == "lab run stampede --seed 7 --fix all --calm --stack embedded"


def test_it_has_no_control_in_the_place_of_a_fix() -> None:
    with pytest.raises(LabError, match="a calm run judges nothing"):
        list(plans(Asked(names=("stampede",), calm=True, control_as_fix="placebo"), Embedded()))
