"""Clients that try again: what they were asked to do, told by what the generator recorded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import monotonic_ns
from typing import Any

import numpy as np
import pytest
from arm_at_work import ask
from pydantic import TypeAdapter, ValidationError

from lab.errors import LabError
from lab.faults.retry_storm import RetryStorm
from lab.loads.open import Open
from lab.model.load import SAMPLE, BlockLoad, BlockOrder, Failure, GeneratorChecks
from lab.model.scenario import Request, Stage
from lab.model.stack import Running


def made(**written: object) -> RetryStorm:
    return TypeAdapter(RetryStorm).validate_python(written)


STORM = made(tries=3, timeout="300ms", after="20ms")
EXAMPLES = {RetryStorm: STORM}


def order(**other: Any) -> BlockOrder:
    plain = BlockOrder(
        n=1, url="http://127.0.0.1:1", start_ns=10**12, stages=(Stage(rate=60, length=0.5),),
        arrivals="constant", seed=3, timeout_s=1.0, requests=(Request(name="top", get="/products/top"),),
        samples=Path("samples.npy"),
    )  # fmt: skip
    return replace(plain, **other)


def recorded(*rows: tuple[Failure, int]) -> BlockLoad:
    """A block by how each request ended, and after how many tries; those with none were never sent."""
    samples = np.zeros(len(rows), SAMPLE)
    samples["due_ns"] = samples["done_ns"] = 10**12
    samples["error"] = [error for error, _ in rows]
    samples["tries"] = [tries for _, tries in rows]
    samples["sent_ns"] = np.where(samples["tries"] > 0, 10**12, 0)
    checks = GeneratorChecks(
        asked=len(rows), sent=len(rows), answered=len(rows), schedule_error_p50_s=0, schedule_error_p99_s=0,
        cpu_share_max=0, idle_connections=True, achieved=1, cpu_s=0, queued=0, retried=0, recorded=len(rows),
        counted=len(rows),
    )  # fmt: skip
    return BlockLoad(n=1, samples=samples, names=("top",), checks=checks, schedule_sha256="")


GOOD, LOST = Failure.NONE, Failure.STATUS


@pytest.mark.parametrize(
    ("rows", "bit", "delivered"),
    [
        ([(GOOD, 1), (GOOD, 2), (LOST, 3), (Failure.TIMEOUT, 0)], [True, True], [100, 3]),
        ([(GOOD, 1), (GOOD, 3)], [True], [100]),
        ([(GOOD, 1)] * 9, [False], [None]),
        ([(LOST, 1)] * 4, [False, False], [0, 1]),
        ([(LOST, 3), (LOST, 2)], [True, False], [100, 2.5]),
        ([(LOST, 3), (LOST, 5)], [True, False], [100, 4]),
    ],
    ids=["all tried", "all good in the end", "nothing failed", "given up at once", "too early", "too often"],
)
def test_the_dose_is_what_was_recorded(
    rows: list[tuple[Failure, int]], bit: list[bool], delivered: list[float | None]
) -> None:
    doses = STORM.dose_of(STORM.shape(order()), recorded(*rows))
    assert [dose.bit for dose in doses] == bit
    assert [dose.delivered for dose in doses] == delivered


def test_requests_to_an_app_that_is_down_are_tried_again_and_nothing_is_when_it_is_up(
    arm: Running, tmp_path: Path
) -> None:
    before = ask(arm, "/products/top")
    driver = Open(tmp_path, own=lambda _: None)
    try:
        driver.ready()
        arm.kill("app")
        down = played(driver, arm, STORM, tmp_path, 1)
        arm.start("app")
        up = played(driver, arm, STORM, tmp_path, 2)
        plain = played(driver, arm, None, tmp_path, 3)
    finally:
        driver.close()
    assert all(dose.bit for dose in STORM.dose_of(order(), down))
    assert set(down.samples["tries"]) == {3} and set(down.samples["error"]) == {Failure.REFUSED}
    for load in (up, plain):
        assert not any(dose.bit for dose in STORM.dose_of(order(), load))
        assert set(load.samples["tries"]) == {1}
    assert ask(arm, "/products/top") == before


def played(driver: Open, arm: Running, storm: RetryStorm | None, folder: Path, n: int) -> BlockLoad:
    plain = order(
        n=n, url=arm.url, start_ns=monotonic_ns() + 100_000_000, samples=folder / "samples" / f"{n}.npy"
    )
    driver.begin(plain if storm is None else storm.shape(plain))
    return driver.finish(30)


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
def test_the_stack_is_left_alone(interruption: type[BaseException], arm: Running) -> None:
    assert STORM.undo(arm) == {} and STORM.dose(arm) == () and STORM.target == "load"
    before = arm.life("app"), arm.life("redis"), arm.life("postgres")
    with pytest.raises(interruption), STORM.inject(arm) as done:
        assert done == {}
        raise interruption
    assert (arm.life("app"), arm.life("redis"), arm.life("postgres")) == before


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"users": 5}, "cannot be made to try again"),
        ({"requests": ()}, "cannot be made to try again"),
        ({"locustfile": Path("/shop.py")}, "cannot be made to try again"),
        ({"timeout_s": 0.93}, "3 tries can take 0.94 s, but a request times out after 0.93 s"),
    ],
)
def test_a_load_that_cannot_try_again_is_told(other: dict[str, Any], said: str) -> None:
    assert STORM.shape(order(timeout_s=0.94)).retry
    with pytest.raises(LabError, match=said):
        STORM.shape(order(**other))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"tries": 1, "timeout": "1s"}, "2 to 100 tries"),
        ({"tries": 101, "timeout": "1s"}, "2 to 100 tries"),
        ({"tries": 3, "timeout": "19ms"}, "20ms or longer"),
        ({"tries": 3}, "timeout"),
        ({"tries": 3, "timeout": 1}, "no unit"),
        ({"tries": 3, "timeout": "1s", "after": "-1s"}, "not a duration"),
        ({"tries": 3, "timeout": "1s", "jitter": "1s"}, "jitter"),
    ],
)
def test_wrong_attributes_are_told(written: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        made(**written)
