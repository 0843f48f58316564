"""Clients that try again, in a run: the generator has to be up to it, and a fix may leave nothing to try again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from test_experiment import perform, scenario

from lab.errors import EnvironmentFailed, LabError
from lab.faults.retry_storm import RetryStorm
from lab.faults.spike import Spike
from lab.model.load import SAMPLE, BlockLoad, BlockOrder, Failure
from lab.model.run import Arm
from lab.model.scenario import FaultUse, Request, Stage
from lab.runner.arms import LiveArm
from lab.runner.calibration import aim_of
from lab.runner.shaping import Shaping, shaped
from lab.store import RunFolder

__all__ = ["perform"]  # a fixture

STORM = FaultUse(kind="retry-storm", params=RetryStorm(tries=3, timeout="500ms"))  # type: ignore[arg-type]
RUSH = FaultUse(kind="spike", params=Spike(factor=4, length="400ms"))  # type: ignore[arg-type]
ORDER = BlockOrder(
    n=1, url="http://127.0.0.1:1", start_ns=1, stages=(Stage(rate=1000, length=1.0),), arrivals="constant", seed=1,
    timeout_s=2.0, requests=(Request(name="page", get="/"),), samples=Path("1.npy"),
)  # fmt: skip


def block(*tries: int) -> BlockLoad:
    """Requests asked so often; those that were asked three times failed for good."""
    samples = np.zeros(len(tries), SAMPLE)
    samples["due_ns"] = samples["sent_ns"] = samples["done_ns"] = 1
    samples["tries"] = tries
    samples["error"] = np.where(samples["tries"] == 3, Failure.STATUS, Failure.NONE)
    checks: Any = None
    return BlockLoad(n=1, samples=samples, names=("page",), checks=checks, schedule_sha256="")


@pytest.mark.parametrize(
    ("faults", "peak"),
    [((STORM,), 240.0), ((STORM, RUSH), 960.0), ((RUSH,), 320.0)],
    ids=["storm", "both", "rush"],
)
def test_the_generator_is_calibrated_for_all_tries_of_all_requests(
    perform: Callable[..., Any], faults: tuple[FaultUse, ...], peak: float
) -> None:
    what = replace(scenario(), faults=faults)
    experiment, _ = perform(what)
    assert aim_of(experiment.plan, what).peak_rate == peak


def test_a_rush_is_tried_again_over_the_connections_that_its_requests_need() -> None:
    order = shaped([RUSH, STORM], ORDER)
    assert order.retry is not None and (order.retry.tries, order.retry.timeout_s) == (3, 0.5)
    assert order.connections == shaped([RUSH], ORDER).connections > ORDER.connections


def test_tries_that_do_not_fit_are_told_before_any_arm_is_up(perform: Callable[..., Any]) -> None:
    long = FaultUse(kind="retry-storm", params=RetryStorm(tries=9, timeout="1s"))  # type: ignore[arg-type]
    what = replace(scenario(), faults=(long,))
    experiment, _ = perform(what)
    with pytest.raises(LabError, match="9 tries can take 9 s"):
        aim_of(experiment.plan, what)


def arm(role: Any) -> LiveArm:
    running: Any = SimpleNamespace()
    return LiveArm(Arm(name=role, role=role, group=0), running)


def doses(folder: RunFolder) -> list[str]:
    events = (json.loads(line) for line in (folder.path / "events.jsonl").read_text().splitlines())
    return [event["arm"] for event in events if event.get("kind") == "dose"]


def test_a_fix_after_which_nothing_fails_is_looked_at_again_later(perform: Callable[..., Any]) -> None:
    _, folder = perform(scenario())
    shaping, fixed = Shaping([STORM], folder), arm("fix")
    shaping.prove(ORDER, block(1, 1, 1), fixed)
    assert doses(folder) == []
    shaping.prove(ORDER, block(1, 3, 3), fixed)
    shaping.prove(ORDER, block(1, 1), fixed)
    assert doses(folder) == ["fix"]


@pytest.mark.parametrize("tries", [(1, 1, 1), ()], ids=["nothing failed", "nothing was asked"])
def test_a_problem_without_failures_is_no_retry_storm(
    perform: Callable[..., Any], tries: tuple[int, ...]
) -> None:
    _, folder = perform(scenario())
    with pytest.raises(EnvironmentFailed, match="retry-storm on load did not bite"):
        Shaping([STORM], folder).prove(ORDER, block(*tries), arm("problem"))
    Shaping([STORM], folder).prove(ORDER, block(1, 2, 3), arm("problem"))


def test_a_fix_whose_failed_requests_are_not_tried_again_is_told(perform: Callable[..., Any]) -> None:
    _, folder = perform(scenario())
    lost = block(1, 1)
    lost.samples["error"] = Failure.REFUSED
    with pytest.raises(EnvironmentFailed, match="retry-storm on load did not bite") as failed:
        Shaping([STORM], folder).prove(ORDER, lost, arm("fix"))
    assert "tries of what failed" in failed.value.why
