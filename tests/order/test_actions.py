"""The story of what fixes do in each block: to their own arm, and their side effects to the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from test_experiment import STORY, Cure, Slowness, scenario
from test_experiment import perform as perform

from lab.model.scenario import FaultUse, FixUse, Healthy, Request, Scenario

CALM = Request(name="page", get="/calm")


def acting() -> Scenario:
    """A fault that comes in each block, and a fix that acts 100 ms after it."""
    slow = FaultUse(kind="slowness", params=Slowness(), when="each-block", at="100ms")  # type: ignore[arg-type]
    cure = FixUse(kind="cure", params=Cure(), documented=True, why="w", when="each-block", at="200ms")  # type: ignore[arg-type]
    return replace(scenario(), faults=(slow,), fixes={"cure": cure})


def told(arm: str) -> list[str]:
    return [word.split()[0] for word in STORY if word.endswith(f" {arm}")]


def test_an_action_comes_in_each_block_after_its_fault_and_before_its_undo(
    perform: Callable[..., Any],
) -> None:
    experiment, folder = perform(acting())
    experiment.run()
    blocks = [b for b in folder.read_blocks() if b.arm == "cure"]
    tried, mended = ["break", "heal"], ["break", "apply", "heal"]
    assert told("cure") == [*tried, *mended, *mended * len(blocks), "stop"]
    seconds = [e.data["seconds"] for e in folder.read_events() if e.kind == "fix-applied"]
    assert len(seconds) == len(blocks) + 1


def test_the_arms_without_it_go_through_its_side_effects_at_the_same_moments(
    perform: Callable[..., Any],
) -> None:
    experiment, folder = perform(acting())
    experiment.run()
    for arm in ("problem", "placebo"):
        blocks = [b for b in folder.read_blocks() if b.arm == arm]
        assert told(arm) == ["break", "heal", *["break", "placebo", "heal"] * (len(blocks) + 1), "stop"]
    assert told("healthy") == ["stop"]


def test_healthy_by_load_is_asked_what_is_asked_when_all_is_well(perform: Callable[..., Any]) -> None:
    experiment, _ = perform(replace(scenario(), healthy=Healthy(by="load", requests=(CALM,))))
    asked: dict[str, set[str]] = {}
    begin = experiment.bench.load.begin

    def seen(order: Any) -> None:
        asked.setdefault(order.url, set()).update(one.path for one in order.requests)
        begin(order)

    experiment.bench.load.begin = seen
    experiment.run()
    assert asked == {
        "http://healthy": {"/calm"},
        "http://problem": {"/"},
        "http://placebo": {"/"},
        "http://cure": {"/"},
    }
