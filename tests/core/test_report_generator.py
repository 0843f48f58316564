"""What a report says of the load generator and of the kind of load."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from lab.model.report import Generator, Report
from lab.model.scenario import Stage
from lab.report import machine, method
from lab.report.page import as_html
from tests.fake_reports import make_report

FAST = Generator(
    executor="fast",
    ceiling_per_s=31_400,
    floor_p50_ms=0.14,
    floor_p99_ms=0.42,
    schedule_error_p99_ms=0.09,
    share_of_ceiling=0.0032,
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return make_report(tmp_path_factory.mktemp("reports"))


def with_generator(report: Report, generator: Generator | None) -> Report:
    return replace(report, info=replace(report.info, generator=generator))


def said(report: Report) -> str:
    return next((fact.said for fact in method.environment(report) if fact.term == "Load generator"), "")


def test_the_environment_says_what_the_generator_could_do(report: Report) -> None:
    told = with_generator(report, FAST)
    assert said(told) == (
        "fast, could make 31,400 requests a second here, this run asked for 0.3 %;"
        " reads 0.14 ms (p99 0.42 ms) where an app takes no time"
    )
    assert "could make 31,400" in as_html(told)


def test_several_workers_and_load_without_a_rate(report: Report) -> None:
    told = with_generator(report, replace(FAST, executor="flow", share_of_ceiling=None, workers=2))
    assert said(told).startswith("flow in 2 processes, could make 31,400 requests a second here; reads")


def test_a_run_that_was_not_calibrated_says_nothing_of_it(report: Report) -> None:
    assert said(with_generator(report, None)) == ""


@pytest.mark.parametrize("generator", [FAST, None])
def test_the_json_report_has_it_by_its_schema(report: Report, generator: Generator | None) -> None:
    plain = machine.as_json(with_generator(report, generator))
    jsonschema.validate(plain, machine.report_schema())
    assert (plain["generator"] or {}).get("ceiling_per_s") == (31_400 if generator else None)


def load_said(report: Report, **block: object) -> str:
    plan = replace(report.plan, block=replace(report.plan.block, **block))  # type: ignore[arg-type]
    return next(fact.said for fact in method.design(replace(report, plan=plan)) if fact.term == "Load")


def test_the_design_says_what_kind_of_load_it_was(report: Report, tmp_path: Path) -> None:
    assert load_said(report, rate=80.0).startswith("80 requests a second, at random moments")
    assert load_said(report, stages=(Stage(rate=1, length=1),) * 2).endswith("whatever the app does")
    assert " in 2 stages, " in load_said(report, stages=(Stage(rate=1, length=1),) * 2)
    assert " journeys of users a second" in load_said(report, locustfile="users.py")
    assert load_said(report, users=10).startswith("10 users who each wait")
