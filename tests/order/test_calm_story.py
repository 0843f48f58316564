"""The story of a calm run: nothing breaks, each fix is put on its own arm, and all arms have the same past."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_experiment import STORY, FakeClock, FakeLoad, FakeStack, NoQuiet, StillHeart, scenario

from lab.catalog import kinds
from lab.model.costs import on_a_calm_day
from lab.model.measures import measure_specs
from lab.model.run import Judgement
from lab.model.scenario import Healthy, Request, Scenario
from lab.model.stack import RunContext
from lab.plan import Choice, make_plan
from lab.runner.bench import Bench
from lab.runner.experiment import Experiment
from lab.runner.progress import Silent
from lab.store import RunFolder
from lab.verdict.calm import calm_costs

Perform = Callable[[Scenario], tuple[Experiment, Judgement]]
LATENCY = "median answer time"


@pytest.fixture
def perform(tmp_path: Path) -> Perform:
    STORY.clear()

    def make(what: Scenario) -> tuple[Experiment, Judgement]:
        calm = on_a_calm_day(what, kinds())
        calm = replace(calm, symptoms=tuple(m for m in calm.symptoms if m.name == LATENCY))
        choice = Choice(fixes=("cure",), seed=7, stack="fake", calm=True)
        plan = make_plan(calm, choice, measure_specs(calm, kinds()))
        folder = RunFolder.create(tmp_path, what.source, "cafe", plan)
        stack = FakeStack()
        bench = Bench(
            plan=plan, scenario=calm, folder=folder, load=FakeLoad(stack),
            heartbeat=StillHeart(), clock=FakeClock(), probes={}, quiet=NoQuiet(),  # type: ignore[arg-type]
        )  # fmt: skip
        context = RunContext(
            id="cafe", folder=folder.path, scratch=tmp_path, seed=7, report=lambda _: None, own=lambda _: None
        )
        experiment = Experiment(
            plan=plan, scenario=calm, stack=stack, context=context,  # type: ignore[arg-type]
            folder=folder, bench=bench, progress=Silent(), versions={},
        )  # fmt: skip
        return experiment, experiment.run()

    return make


def told(arm: str) -> list[str]:
    return [word.split()[0] for word in STORY if word.endswith(f" {arm}")]


def test_nothing_breaks_and_the_fix_is_on_its_own_arm_alone(perform: Perform) -> None:
    perform(scenario())
    assert told("healthy") == ["stop"]
    assert told("calm-cure") == ["apply", "stop"]


def test_a_fix_that_acts_in_each_block_acts_there_too(perform: Perform) -> None:
    plain = scenario()
    cure = replace(plain.fixes["cure"], when="each-block", at="50ms")  # type: ignore[arg-type]
    experiment, _ = perform(replace(plain, fixes={"cure": cure}))
    blocks = [b for b in experiment.blocks if b.arm == "calm-cure"]
    assert told("calm-cure") == ["apply"] * (len(blocks) + 1) + ["stop"]
    assert told("healthy") == ["stop"]


def test_each_arm_has_twelve_blocks_and_no_tail(perform: Perform) -> None:
    experiment, judgement = perform(scenario())
    assert Counter((b.arm, b.phase) for b in experiment.blocks) == {
        ("healthy", "slot"): 12,
        ("calm-cure", "slot"): 12,
    }
    assert judgement.verdicts == () and judgement.void is None


def test_all_arms_were_under_load_as_often_before_the_first_block(perform: Perform) -> None:
    """A cache or a pool that had longer to settle would be the cost or the gain of a fix."""
    experiment, _ = perform(scenario())
    assert experiment.blocks[0].n == 1 + 2 * 3  # of each arm two stretches of warm-up, and one with its fix


def test_what_is_measured_becomes_the_cost(perform: Perform) -> None:
    experiment, _ = perform(scenario())
    (cost,) = calm_costs(experiment.plan, experiment.blocks)
    assert (cost.fix, cost.measure) == ("cure", LATENCY)
    assert cost.lower is not None and cost.upper is not None
    assert cost.lower < 1 < cost.upper


def test_all_arms_are_asked_what_is_asked_when_all_is_well(
    perform: Perform, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[tuple[str, str]] = set()
    begin = FakeLoad.begin

    def seen(self: FakeLoad, order: Any) -> None:
        asked.update((order.url, one.path) for one in order.requests)
        begin(self, order)

    monkeypatch.setattr(FakeLoad, "begin", seen)
    perform(replace(scenario(), healthy=Healthy(by="load", requests=(Request(name="page", get="/calm"),))))
    assert asked == {("http://healthy", "/calm"), ("http://calm-cure", "/calm")}
