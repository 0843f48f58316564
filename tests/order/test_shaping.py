"""A fault of the load: faulty arms are asked otherwise, the healthy one is not, and what was asked is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from test_experiment import FakeLoad, perform, scenario

from lab.errors import EnvironmentFailed, LabError
from lab.faults.spike import Spike
from lab.model.load import BlockOrder
from lab.model.scenario import FaultUse
from lab.runner.calibration import aim_of

__all__ = ["perform"]  # a fixture

RUSH = FaultUse(kind="spike", params=Spike(factor=4, length="400ms"))  # type: ignore[arg-type]


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[BlockOrder]]:
    """Every order by arm."""
    found: dict[str, list[BlockOrder]] = {}
    begin = FakeLoad.begin

    def listened(self: FakeLoad, order: BlockOrder) -> None:
        found.setdefault(order.url.removeprefix("http://"), []).append(order)
        begin(self, order)

    monkeypatch.setattr(FakeLoad, "begin", listened)
    return found


def test_only_faulty_arms_are_asked_more_and_only_once_they_are_warm(
    perform: Callable[..., Any], orders: dict[str, list[BlockOrder]]
) -> None:
    experiment, _ = perform(replace(scenario(), faults=(*scenario().faults, RUSH)))
    with pytest.raises(EnvironmentFailed, match="spike on load did not bite") as failed:
        experiment.run()  # the fake load makes 40 requests whatever it is asked
    assert "requests in the spike: asked 320 /s" in failed.value.why
    rates = {arm: [max(s.rate for s in order.stages) for order in asked] for arm, asked in orders.items()}
    assert rates.pop("healthy") == [6.0, 80.0]
    struck = [asked for asked in rates.values() if len(asked) > 2]
    assert struck and all(asked[:2] == [6.0, 80.0] and set(asked[2:]) == {320.0} for asked in struck)


def test_the_generator_is_calibrated_for_the_highest_rate_of_any_arm(perform: Callable[..., Any]) -> None:
    rushed = replace(scenario(), faults=(RUSH,))
    experiment, _ = perform(rushed)
    assert aim_of(experiment.plan, rushed).peak_rate == 320.0
    assert aim_of(experiment.plan, scenario()).peak_rate == 80.0


def test_a_load_that_cannot_be_shaped_is_told_before_any_arm_is_up(perform: Callable[..., Any]) -> None:
    late = FaultUse(kind="spike", params=Spike(factor=4, length="400ms", start="9s"))  # type: ignore[arg-type]
    experiment, _ = perform(replace(scenario(), faults=(late,)))
    with pytest.raises(LabError, match="a spike that starts at 9 s is not in a block"):
        aim_of(experiment.plan, experiment.scenario)
