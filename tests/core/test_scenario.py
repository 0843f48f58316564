"""What a scenario file says is what the lab gets, in base units."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.catalog import kinds
from lab.faults.expire_key import ExpireKey
from lab.faults.kill import Kill
from lab.fixes.code import Code
from lab.fixes.sql import Sql
from lab.model.measures import SAMPLES, described, known_measures, measure_spec, measure_specs, written
from lab.model.scenario import Closing, Measure, Scenario, Values
from lab.probes.explain import Explain
from lab.scenario import parse, slug_of

TEXT = """\
title: "A title: with a colon"
guide: words
problem: >-
  one line
  and another
symptom: words
diagnosis: words
cause: words
stack: {services: [postgres, redis], processes: 2}
load:
  rate: 6000/min
  arrivals: constant
  block: 600ms
  timeout: 1.5s
  requests:
    - {name: page, get: "/a/{id}", values: {id: {uniform: [1, 9]}}, weight: 3}
    - {name: order, post: /orders, body: {product: 1, tags: [a, null, true]}}
faults:
  - {kind: expire-key, key: ranking, when: each-block, event_window: 500ms}
  - {kind: kill, service: redis}
symptoms:
  - {name: slow, measure: latency.share_over, of: page, over: 100ms, limit: 5%}
  - {name: again, measure: postgres.calls, of: ranking, per: expiry, limit: 1, cause: true}
guardrails:
  - {name: median, measure: latency.p50, limit: 100ms, tau: 1.5}
fixes:
  better:
    documented: true
    why: words
    code: better
  other:
    documented: false
    why: words
    expect: [improved, not-resolved]
    expect_reason: words
    processes: 4
    sql: {run: SELECT 1, placebo: SELECT 2}
evidence:
  - {kind: explain, of: ranking, title: The plan}
closing: {length: 3s, heal_at: 1s}
"""


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return parse(TEXT, kinds(), "some/Folder/Two Things.yaml")


def test_prose_and_file(scenario: Scenario) -> None:
    assert scenario.slug == "two-things"
    assert scenario.source == TEXT
    assert scenario.prose.title == "A title: with a colon"
    assert scenario.prose.problem == "one line and another"


def test_load_in_base_units(scenario: Scenario) -> None:
    load = scenario.load
    assert (load.rate, load.block, load.timeout, load.warm_up) == (100.0, 0.6, 1.5, 2.0)
    assert load.arrivals == "constant"
    page, order = load.requests
    assert (page.method, page.path, page.weight) == ("GET", "/a/{id}", 3.0)
    assert page.values == {"id": Values(uniform=(1, 9))}
    assert order.body == {"product": 1, "tags": ["a", None, True]}


def test_faults(scenario: Scenario) -> None:
    expiry, dead = scenario.faults
    assert expiry.params == ExpireKey(key="ranking")
    assert (expiry.when, expiry.at, expiry.event_window) == ("each-block", 0.05, 0.5)
    assert (dead.params, dead.when) == (Kill(service="redis"), "standing")


def test_measures(scenario: Scenario) -> None:
    slow, again = scenario.symptoms
    assert (slow.limit, slow.over) == (0.05, 0.1)
    assert (again.limit, again.per, again.cause) == (1.0, "expiry", True)
    assert scenario.guardrails[0].limit == 0.1


def test_fixes(scenario: Scenario) -> None:
    better, other = scenario.fixes.values()
    assert (better.kind, better.params, better.expect) == ("code", Code(variant="better"), ("resolved",))
    assert other.params == Sql(run="SELECT 1", placebo="SELECT 2")
    assert (other.expect, other.processes) == (("improved", "not-resolved"), 4)
    assert scenario.documented == ("better",)  # and all of them where none is
    assert replace(scenario, fixes={"other": other}).documented == ("other",)


def test_evidence_and_closing(scenario: Scenario) -> None:
    (plan,) = scenario.evidence
    assert (plan.params, plan.title) == (Explain(of="ranking"), "The plan")
    assert scenario.closing == Closing(length="3s", heal_at="1s")  # type: ignore[arg-type]


def test_text_and_bytes_are_the_same_scenario() -> None:
    marked = b"\xef\xbb\xbf" + TEXT.encode()
    assert parse(marked, kinds(), "a.yaml") == parse(TEXT, kinds(), "a.yaml")


def test_what_looks_like_something_else_in_old_yaml_is_text() -> None:
    text = TEXT.replace("guide: words", "guide: no").replace("cause: words", "cause: 12:30:45")
    prose = parse(text, kinds(), "a.yaml").prose
    assert (prose.guide, prose.cause) == ("no", "12:30:45")


@pytest.mark.parametrize(
    ("path", "slug"), [("a/missing-index.yaml", "missing-index"), ("Ärger.yml", "rger"), ("-", "scenario")]
)
def test_the_slug_is_the_name_of_the_file(path: str, slug: str) -> None:
    assert slug_of(path) == slug


def test_the_judge_reads_limits_in_the_unit_of_the_values(scenario: Scenario) -> None:
    slow, again, median = measure_specs(scenario, kinds())
    assert (slow.unit, slow.scale, slow.limit, slow.tolerance) == ("share", "difference", 0.05, 0.01)
    assert (again.unit, again.scale, again.limit, again.cause) == ("calls", "difference", 1.0, True)
    assert (median.unit, median.scale, median.limit, median.tau) == ("ms", "ratio", 100.0, 1.5)
    assert [spec.role for spec in (slow, again, median)] == ["primary", "primary", "guardrail"]


def test_every_known_measure_can_be_judged() -> None:
    for name, said in described(kinds()).items():
        spec = measure_spec(Measure(name="a", measure=name), kinds(), "primary")
        assert written(name, kinds()) in ("duration", "share", "size", "count")
        assert said
        assert spec.scale == "difference" or spec.unit != "share"
    assert set(SAMPLES) < set(known_measures(kinds()))


GUARDRAIL = "measure: latency.p50, limit: 100ms, tau: 1.5"


@pytest.mark.parametrize(
    ("text", "limit", "tolerance"),
    [
        ("availability.downtime, limit: 1.5s", 1500, 0.01),
        ("availability.downtime, tolerance: 50ms", None, 50),
        ("recovery.time, limit: 2s, over: 100ms", 2000, 0.01),
        ("throughput.lost, tolerance: 2%", None, 0.02),
        ("bytes.per_response, limit: 1.5KB", 1500, 0.01),
        ("bytes.per_response, limit: 2 MiB", 2 * 1024 * 1024, 0.01),
    ],
)
def test_bounds_are_read_in_the_unit_of_what_is_measured(
    text: str, limit: float | None, tolerance: float
) -> None:
    scenario = parse(TEXT.replace(GUARDRAIL, f"measure: {text}"), kinds(), "a.yaml")
    spec = measure_specs(scenario, kinds())[-1]
    assert (spec.limit, spec.tolerance) == (limit, pytest.approx(tolerance))


def test_no_unknown_measure_can_be_judged() -> None:
    assert written("postgres.nothing", kinds()) is None
    with pytest.raises(KeyError):
        measure_spec(Measure(name="a", measure="postgres.nothing"), kinds(), "primary")


@given(st.integers(1, 600_000), st.sampled_from([("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("min", 60.0)]))
def test_durations_are_seconds(number: int, unit: tuple[str, float]) -> None:
    name, seconds = unit
    text = TEXT.replace("timeout: 1.5s", f"timeout: {number}{name}")
    assert parse(text, kinds(), "a.yaml").load.timeout == pytest.approx(number * seconds)


def test_parsing_touches_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    known = kinds()

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("parse opened a file")

    monkeypatch.setattr(Path, "open", refused)
    monkeypatch.setattr("builtins.open", refused)
    assert parse(TEXT, known, "/nowhere/a.yaml").slug == "a"
