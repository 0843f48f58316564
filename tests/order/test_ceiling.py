"""Before the first arm starts: what the generator can do here, and whether that is enough for the plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_experiment import Slowness

from lab.errors import EnvironmentFailed, Exit
from lab.model.kinds import Kinds
from lab.model.load import SAMPLE, BlockLoad, BlockOrder, Failure, GeneratorChecks
from lab.model.run import MeasureSpec
from lab.model.scenario import (
    Expect,
    FaultUse,
    FixUse,
    Healthy,
    Load,
    Measure,
    Prose,
    Request,
    Scenario,
    StackNeeds,
    Stage,
    Values,
)
from lab.plan import Choice, make_plan
from lab.runner.calibration import Aim, aim_of, calibrate, ceiling_per_s, refuse_above_ceiling
from lab.runner.clock import MonotonicClock
from lab.runner.progress import Silent

running: Any = import_module("lab.runner.run")  # its function of that name hides it

COST_S = 50e-6  # of CPU for a request: a ceiling of 20,000 a second
ASKED: list[BlockOrder] = []


class FakeGenerator:
    """Makes every request of an order at once, at a known cost."""

    cost_s = COST_S
    answers = 1.0

    def __init__(self, folder: Path | None = None, **_: Any) -> None:
        ASKED.clear()

    def ready(self) -> None: ...

    def close(self) -> None: ...

    def lead_s(self, arrivals: float) -> float:
        return 0.0

    def begin(self, order: BlockOrder) -> None:
        ASKED.append(order)

    def finish(self, deadline_s: float) -> BlockLoad:
        n = round(ASKED[-1].expected)
        good = int(n * self.answers)
        samples = np.zeros(n, SAMPLE)
        samples["done_ns"] = 1_000_000
        samples["error"][good:] = Failure.REFUSED
        checks = GeneratorChecks(
            asked=n, sent=n, answered=good, schedule_error_p50_s=0.0, schedule_error_p99_s=0.0002,
            cpu_share_max=0.5, idle_connections=True, achieved=1.0, cpu_s=n * self.cost_s, queued=0,
            retried=0, recorded=n, counted=n, executor=ASKED[-1].executor or "fast",
        )  # fmt: skip
        return BlockLoad(n=ASKED[-1].n, samples=samples, names=("page",), checks=checks, schedule_sha256="")


def measured(tmp_path: Path, aim: Aim, generator: FakeGenerator | None = None) -> Any:
    load = generator or FakeGenerator()
    return calibrate(load, aim, clock=MonotonicClock(), scratch=tmp_path, own=lambda _: None)


def scenario(**load: Any) -> Scenario:
    asked = {"rate": "80/s", "block": "500ms", "requests": (Request(name="page", get="/"),)}
    return Scenario(
        slug="slow-page",
        source="title: slow",
        path="slow-page.yaml",
        prose=Prose(title="t", guide="g", problem="p", symptom="s", diagnosis="d", cause="c"),
        stack=StackNeeds(),
        healthy=Healthy(),
        load=Load(**{**asked, **load}),
        faults=(FaultUse(kind="slowness", params=Slowness()),),
        symptoms=(Measure(name="slow", measure="latency.p50", of="page"),),
        guardrails=(),
        fixes={"cure": FixUse(kind="cure", params=Unused(), documented=True, why="w")},
    )


class Unused:
    def prepare(self, arm: Any, module: str) -> Any:
        return arm


def planned(what: Scenario) -> Any:
    measures = [MeasureSpec(name="slow", measure="latency.p50", unit="ms", scale="ratio")]
    return make_plan(what, Choice(fixes=("cure",), seed=7, stack="fake"), measures)


def test_the_ceiling_is_the_cpu_cost_of_a_request_and_the_floor_what_no_work_reads(tmp_path: Path) -> None:
    found = measured(tmp_path, Aim(peak_rate=5000))
    assert (found.executor, found.ceiling_per_s, found.share_of_ceiling) == ("fast", 20_000, 0.25)
    assert (found.floor_p50_ms, found.schedule_error_p99_ms) == (1.0, 0.2)
    assert [order.n for order in ASKED] == [-2, -3, -4], "no number of a block of the run"
    refuse_above_ceiling(found, Aim(peak_rate=5000))


def test_a_rate_above_60_percent_is_tried_again_before_it_is_refused(tmp_path: Path) -> None:
    aim = Aim(peak_rate=12_100)
    found = measured(tmp_path, aim)
    assert len(ASKED) == 2 + 3
    with pytest.raises(EnvironmentFailed) as refused:
        refuse_above_ceiling(found, aim)
    said = str(refused.value)
    assert refused.value.exit is Exit.VOID
    assert "12,100 requests a second" in said
    assert "20,000 a second" in said
    assert "at most 12,000" in said
    assert "--workers" in said


def test_just_below_is_allowed(tmp_path: Path) -> None:
    aim = Aim(peak_rate=12_000)
    refuse_above_ceiling(measured(tmp_path, aim), aim)


def test_load_without_a_rate_has_no_share(tmp_path: Path) -> None:
    aim = Aim(executor="flow")
    found = measured(tmp_path, aim)
    assert (found.executor, found.share_of_ceiling) == ("flow", None)
    refuse_above_ceiling(found, aim)


def test_a_generator_that_is_not_answered_is_unfit(tmp_path: Path) -> None:
    broken = FakeGenerator()
    broken.answers = 0.5
    with pytest.raises(EnvironmentFailed, match="does nothing") as unfit:
        measured(tmp_path, Aim(), broken)
    assert unfit.value.why == "25 of 50 requests were answered (refused 25)"


@pytest.mark.parametrize(
    ("share", "took_s", "ceiling"), [(0.95, 1.0, 400), (0.95, 0.5, 800), (0.5, 1.0, 800)]
)
def test_a_generator_that_fell_behind_can_do_no_more_than_it_did(
    share: float, took_s: float, ceiling: float
) -> None:
    samples = np.zeros(400, SAMPLE)
    samples["done_ns"] = int(took_s * 1e9)
    checks = GeneratorChecks(
        asked=400, sent=400, answered=400, schedule_error_p50_s=0.0, schedule_error_p99_s=0.0,
        cpu_share_max=share, idle_connections=True, achieved=1.0, cpu_s=0.5, queued=0, retried=0,
        recorded=400, counted=400,
    )  # fmt: skip
    block = BlockLoad(n=1, samples=samples, names=("page",), checks=checks, schedule_sha256="")
    assert ceiling_per_s(block, 0.5) == ceiling


def test_workers_add_up(tmp_path: Path) -> None:
    samples = np.zeros(400, SAMPLE)
    checks = GeneratorChecks(
        asked=400, sent=400, answered=400, schedule_error_p50_s=0.0, schedule_error_p99_s=0.0,
        cpu_share_max=0.1, idle_connections=True, achieved=1.0, cpu_s=0.1, queued=0, retried=0,
        recorded=400, counted=400, workers=2,
    )  # fmt: skip
    block = BlockLoad(n=1, samples=samples, names=("page",), checks=checks, schedule_sha256="")
    assert ceiling_per_s(block, 0.5) == 8000


class TestWhatIsAimedAt:
    def test_the_runs_own_requests_with_answers_that_the_null_server_gives(self) -> None:
        page = Request(
            name="page",
            get="/{n}",
            values={"n": Values(uniform=(1, 9))},
            expect=Expect(status=(201,), contains="a title"),
        )
        plain = Request(name="plain", get="/")
        what = scenario(requests=(page, plain), arrivals="constant")
        aim = aim_of(planned(what), what)
        assert [r.name for r in aim.requests] == ["calibration page", "calibration plain"]
        assert aim.requests[0] == replace(
            page, name="calibration page", expect=Expect(status=(200,), contains="answer")
        )
        assert aim.requests[1].expect == Expect()
        assert (aim.arrivals, aim.peak_rate, aim.executor) == ("constant", 80, None)

    def test_the_peak_of_the_stages_counts(self) -> None:
        what = scenario()
        plan = planned(what)
        stages = (Stage(rate=10, to=150, length=0.25), Stage(rate=80, length=0.25))
        plan = replace(plan, block=replace(plan.block, stages=stages))
        assert aim_of(plan, what).peak_rate == 150

    @pytest.mark.parametrize(
        ("changes", "peak"), [({"users": 10, "rate": 0.0}, None), ({"locustfile": "u.py"}, 80)]
    )
    def test_users_code_is_calibrated_by_flow_with_a_plain_request(
        self, changes: Mapping[str, Any], peak: float | None
    ) -> None:
        what = scenario()
        plan = planned(what)
        aim = aim_of(replace(plan, block=replace(plan.block, **changes)), what)
        assert (aim.executor, aim.peak_rate, [r.get for r in aim.requests]) == ("flow", peak, ["/"])


class StackThatMustNotStart:
    kind = "fake"

    def prepare(self, context: Any) -> None: ...

    def start(self, arm: Any, context: Any) -> None:
        raise AssertionError("an arm was started")


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    monkeypatch.setattr(running, "Open", FakeGenerator)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # a measuring lock of its own

    def go(rate: str) -> Any:
        what = scenario(rate=rate)
        request = running.Request(
            scenario=what, plan=planned(what), stack=StackThatMustNotStart(),  # type: ignore[arg-type]
            kinds=Kinds(), out=tmp_path / "reports", again="lab run slow-page",
        )  # fmt: skip
        return running.run(request, Silent())

    return go


def test_too_high_a_rate_is_refused_before_an_arm_starts(start: Callable[[str], Any]) -> None:
    finished = start("15000/s")
    assert isinstance(finished.stopped, EnvironmentFailed)
    assert "too much for the generator" in finished.stopped.what
    assert finished.exit is Exit.VOID
    assert not finished.folder.read_blocks()
    assert finished.folder.read_run().generator.share_of_ceiling == 0.75
    assert {(v.state, v.reason_code) for v in finished.judgement.verdicts} == {
        ("void", "generator-saturated")
    }
    assert "75 % of what the generator can do" in finished.judgement.void


def test_arms_start_once_the_generator_is_fit(start: Callable[[str], Any]) -> None:
    with pytest.raises(AssertionError, match="an arm was started"):
        start("80/s")
