"""The faults of the app, by a real restart, and those of the load, which change what is asked."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arm_at_work import ask
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from lab.driver.schedule import schedule
from lab.errors import EnvironmentFailed, LabError
from lab.faults._app import seen
from lab.faults.app_settings import AppSettings
from lab.faults.code_path import CodePath
from lab.faults.hot_key import HotKey
from lab.faults.spike import Spike
from lab.model.histogram import Histogram
from lab.model.load import NONE_SEEN, SAMPLE, BlockLoad, BlockOrder, GeneratorChecks
from lab.model.scenario import Observe, Request, Stage, Values
from lab.model.stack import Running


@pytest.fixture
def arm(each_arm: Running) -> Running:
    return each_arm


def made(kind: type[Any], **written: object) -> Any:
    return TypeAdapter(kind).validate_python(written)


APP = [
    made(AppSettings, set={"POOL_SIZE": 1, "log_level": "WARNING"}),
    made(CodePath, module="stampede", variant="single_flight"),
]
INTERRUPTIONS = [RuntimeError, KeyboardInterrupt]
LOAD = [
    made(Spike, factor=5, start="400ms", length="300ms"),
    made(HotKey, request="product", placeholder="product_id", value=7, share="80%"),
]
EXAMPLES = {type(fault): fault for fault in (*APP, *LOAD)}


@pytest.mark.parametrize(("fault", "interruption"), list(zip(APP, INTERRUPTIONS, strict=True)), ids=repr)
def test_the_app_runs_otherwise_and_as_before_when_healed(
    fault: Any, interruption: type[BaseException], arm: Running
) -> None:
    before = seen(arm)
    json.dumps(dict(fault.undo(arm)))
    with pytest.raises(interruption), fault.inject(arm) as done:
        json.dumps(dict(done))
        assert all(dose.bit for dose in fault.dose(arm)), fault.dose(arm)
        raise interruption
    assert seen(arm).config == before.config and seen(arm).life != before.life
    assert ask(arm, "/products/7")
    assert not fault.dose(arm)[-1].bit


def test_two_at_once_heal_in_any_order_also_after_a_restart_and_where_the_app_is_down(arm: Running) -> None:
    before, (settings, code) = seen(arm).config, APP
    first, second = settings.inject(arm), code.inject(arm)
    first.__enter__()
    second.__enter__()
    arm.restart("app")
    both = seen(arm).config
    first.__exit__(None, None, None)
    assert len({before, both, seen(arm).config}) == 3
    arm.kill("app")
    second.__exit__(None, None, None)
    assert seen(arm).config == before


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (made(AppSettings, set={"pool_sise": 1}), "pool_sise"),
        (made(CodePath, module="stampede", variant="magic"), "no variant 'magic'"),
    ],
    ids=repr,
)
def test_what_the_app_refuses_is_told_with_its_own_words(fault: Any, said: str, arm: Running) -> None:
    before = seen(arm).config
    with (
        pytest.raises(EnvironmentFailed, match="app ended while it was starting") as caught,
        fault.inject(arm),
    ):
        raise AssertionError("it started")
    assert said in caught.value.why
    assert seen(arm).config == before


def test_an_app_that_is_down_is_told(arm: Running) -> None:
    arm.kill("app")
    try:
        for fault in APP:
            with pytest.raises(EnvironmentFailed, match="does not tell how it is set"):
                fault.undo(arm)
    finally:
        arm.start("app")


def test_the_same_settings_are_no_fault(arm: Running) -> None:
    fault = made(CodePath, module="stampede", variant="problem")
    with fault.inject(arm):
        assert [dose.bit for dose in fault.dose(arm)] == [True, False]


# The load.

PRODUCT = Request(
    name="product", get="/products/{product_id}", values={"product_id": Values(uniform=(1, 5000))}
)
ORDERS = Request(name="orders", get="/customers/{id}/orders", values={"id": Values(zipf=(1, 900))})


def order(*stages: Stage, requests: tuple[Request, ...] = (PRODUCT, ORDERS), users: int = 0) -> BlockOrder:
    return BlockOrder(
        n=1,
        url="http://127.0.0.1:1",
        start_ns=10**12,
        stages=stages or (Stage(rate=200, length=1.0),),
        arrivals="poisson",
        seed=3,
        timeout_s=1.0,
        requests=requests,
        samples=Path("samples.npy"),
        users=users,
    )


def answered(asked: BlockOrder) -> BlockLoad:
    """What the driver measures where every planned request is sent and answered in time."""
    plan = schedule(
        seed=asked.seed, stages=asked.stages, law=asked.arrivals, requests=asked.requests, hot=asked.hot
    )
    rows = np.zeros(len(plan.offsets_ns), dtype=SAMPLE)
    rows["due_ns"] = rows["sent_ns"] = rows["done_ns"] = asked.start_ns + np.asarray(plan.offsets_ns)
    rows["name"] = [target.name for target in plan.targets]
    rows["key"] = [target.key for target in plan.targets]
    return BlockLoad(
        n=1,
        samples=rows,
        names=tuple(request.name for request in asked.requests),
        checks=GeneratorChecks(
            asked=len(rows), sent=len(rows), answered=len(rows), schedule_error_p50_s=0, schedule_error_p99_s=0,
            cpu_share_max=0, idle_connections=True, achieved=1, cpu_s=0, queued=0, retried=0,
            recorded=len(rows), counted=len(rows),
        ),
        schedule_sha256=plan.sha256,
        response=Histogram(),
        service=Histogram(),
    )  # fmt: skip


@pytest.mark.parametrize("fault", LOAD, ids=repr)
def test_a_load_fault_bites_by_the_samples_and_not_without_it(fault: Any) -> None:
    plain, shaped = order(), fault.shape(order())
    assert all(dose.bit for dose in fault.dose_of(shaped, answered(shaped)))
    assert not any(dose.bit for dose in fault.dose_of(shaped, answered(plain)))
    assert fault.needs == {"load"} and fault.target
    assert TypeAdapter(BlockOrder).validate_json(TypeAdapter(BlockOrder).dump_json(shaped)) == shaped


@pytest.mark.parametrize("fault", LOAD, ids=repr)
def test_a_load_fault_leaves_the_stack_alone(fault: Any, arm: Running) -> None:
    assert fault.undo(arm) == {} and fault.dose(arm) == ()
    before = arm.life("app"), arm.life("redis"), arm.life("postgres")
    with fault.inject(arm) as done:
        assert done == {}
    assert (arm.life("app"), arm.life("redis"), arm.life("postgres")) == before


STAGE = st.builds(
    lambda rate, to, length: Stage(rate=rate, to=to, length=length),
    st.floats(1, 500),
    st.none() | st.floats(1, 500),
    st.floats(0.05, 2),
)


@given(st.lists(STAGE, min_size=1, max_size=4), st.floats(1.5, 9), st.floats(0, 0.99), st.floats(0.01, 3))
def test_a_spike_multiplies_within_and_leaves_the_rest(
    stages: list[Stage], factor: float, begins: float, length: float
) -> None:
    plain = order(*stages)
    start = begins * plain.length_s
    fault = made(Spike, factor=factor, start=f"{start:.6f}s", length=f"{length:.6f}s")
    shaped = fault.shape(plain)
    assert math.isclose(shaped.length_s, plain.length_s)
    within = expected(plain, fault.start, fault.start + fault.length)
    assert math.isclose(shaped.expected, plain.expected + (factor - 1) * within, rel_tol=1e-6, abs_tol=1e-6)
    assert math.isclose(
        expected(shaped, 0, fault.start), expected(plain, 0, fault.start), rel_tol=1e-6, abs_tol=1e-6
    )


def expected(asked: BlockOrder, start: float, end: float) -> float:
    """Arrivals between two moments, by the midpoints of many short stretches."""
    total = began = 0.0
    for stage in asked.stages:
        at, to = max(start, began) - began, min(end, began + stage.length) - began
        if to > at:
            slope = 0.0 if stage.to is None else (stage.to - stage.rate) / stage.length
            total += (to - at) * (stage.rate + slope * (at + to) / 2)
        began += stage.length
    return total


@given(st.floats(0.05, 1), st.integers(-5, 9000), st.integers(0, 2**31))
def test_a_hot_key_changes_nothing_but_its_own_value(share: float, value: int, seed: int) -> None:
    fault = made(
        HotKey, request="product", placeholder="product_id", value=value, share=f"{share * 100:.4f}%"
    )
    plain = TypeAdapter(BlockOrder).validate_python({**vars(order()), "seed": seed})
    shaped = fault.shape(plain)
    before, after = (
        schedule(seed=seed, stages=one.stages, law="poisson", requests=one.requests, hot=one.hot)
        for one in (plain, shaped)
    )
    assert before.offsets_ns == after.offsets_ns
    for old, new in zip(before.targets, after.targets, strict=True):
        assert new.path == old.path or (old.name == 0 and new.path == f"/products/{value}")
        assert new.key == (int(new.path.rpartition("/")[2]) if new.name == 0 else NONE_SEEN)


@pytest.mark.parametrize(
    ("fault", "asked", "said"),
    [
        (LOAD[0], order(users=5), "closed load"),
        (LOAD[0], order(Stage(rate=5, length=0.3)), "not in a block of 0.3 s"),
        (LOAD[1], order(requests=(ORDERS,)), "no request 'product'"),
        (made(HotKey, request="orders", placeholder="product_id", value=1), order(), "no request 'orders'"),
        (
            made(HotKey, request="both", placeholder="a", value=1),
            order(
                requests=(
                    Request(
                        name="both",
                        get="/{a}/{b}",
                        values=dict.fromkeys("ab", Values(uniform=(1, 9))),
                        observe=Observe(key="b"),
                    ),
                )
            ),
            "tell {b}, not {a}",
        ),
    ],
)
def test_a_load_without_what_the_fault_changes_is_told(fault: Any, asked: BlockOrder, said: str) -> None:
    with pytest.raises(LabError, match=said):
        fault.shape(asked)


@pytest.mark.parametrize(
    ("kind", "written", "said"),
    [
        (AppSettings, {"set": {}}, "no setting is named"),
        (AppSettings, {"set": {"DATABASE_URL": "postgresql://elsewhere"}}, "its own arm"),
        (AppSettings, {"set": {"code": "x"}}, "code-path"),
        (CodePath, {"module": "../x", "variant": "problem"}, "no name of a module"),
        (CodePath, {"module": "stampede"}, "variant"),
        (Spike, {"factor": 1, "length": "1s"}, "above 1"),
        (Spike, {"factor": 3, "length": "0s"}, "longer than 0s"),
        (Spike, {"factor": 3, "length": 1}, "no unit"),
        (HotKey, {"request": "r", "placeholder": "p", "value": 1, "share": "0%"}, "above 0%"),
        (HotKey, {"request": "r", "placeholder": "p", "value": 1, "share": "101%"}, "at most 100%"),
    ],
)
def test_wrong_attributes_are_told(kind: type[Any], written: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        made(kind, **written)
