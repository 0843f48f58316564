"""The engine as a story, with fakes: what happens in which order, and what is on disk when it breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from lab.catalog import kinds
from lab.errors import EnvironmentFailed, Exit
from lab.loads.open import SAMPLE, BlockLoad, BlockOrder, GeneratorChecks
from lab.model.dose import Dose
from lab.model.run import Control, MeasureSpec
from lab.model.scenario import (
    Closing,
    FaultUse,
    FixUse,
    Healthy,
    Load,
    Measure,
    Prose,
    Request,
    Scenario,
    StackNeeds,
    Stop,
)
from lab.model.stack import ArmSpec, RunContext
from lab.plan import Choice, make_plan
from lab.runner.arms import LiveArm
from lab.runner.bench import Bench, GeneratorLost
from lab.runner.experiment import Experiment
from lab.runner.guards import Guards, Stopped
from lab.runner.outcome import exit_of, what_failed
from lab.runner.progress import Silent
from lab.runner.sampling import Gauges, gauges_of
from lab.store import RunFolder
from lab.verdict import judge

STORY: list[str] = []


class FakeClock:
    """Time passes only when somebody waits."""

    def __init__(self) -> None:
        self.t = 1_000_000_000

    def now_ns(self) -> int:
        self.t += 1000
        return self.t

    def sleep_until(self, at_ns: int) -> None:
        self.t = max(self.t, at_ns)


@dataclass
class FakeRunning:
    name: str
    code: Mapping[str, str]
    broken: bool = False
    front: str = "app"
    url: str = "http://127.0.0.1:1"
    dsn: str = ""
    redis_url: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    work: float = 0.0

    def logs(self, service: str, lines: int = 20) -> str:
        return "last words"

    def cpu_seconds(self) -> float:
        return 0.0

    def memory_mb(self, service: str) -> float:
        return 50.0

    def stop(self) -> None:
        STORY.append(f"stop {self.name}")


class FakeStack:
    kind = "fake"

    def __init__(self) -> None:
        self.up: dict[str, FakeRunning] = {}

    def start(self, arm: ArmSpec, run: RunContext) -> FakeRunning:
        self.up[arm.name] = FakeRunning(arm.name, arm.code, url=f"http://{arm.name}")
        return self.up[arm.name]


@dataclass(frozen=True)
class Slowness:
    """A fake fault: the arm answers slowly while it is on."""

    bites: bool = True
    heals: bool = True
    needs: ClassVar[frozenset[str]] = frozenset()
    event: ClassVar[str | None] = None
    target: ClassVar[str] = "page"

    def dose(self, running: FakeRunning) -> tuple[Dose, ...]:
        return (Dose(what="slowness", unit="pages", asked=1, delivered=float(running.broken)),)

    def undo(self, running: FakeRunning) -> Mapping[str, Any]:
        return {"speed": "as before"}

    @contextmanager
    def inject(self, running: FakeRunning) -> Iterator[Mapping[str, Any]]:
        running.broken = self.bites
        STORY.append(f"break {running.name}")
        try:
            yield {"slow": True}
        finally:
            running.broken = running.broken and not self.heals
            STORY.append(f"heal {running.name}")


@dataclass(frozen=True)
class Cure:
    """A fake fix by code: the arm is fast whatever the fault does."""

    works: bool = True

    def prepare(self, arm: ArmSpec, module: str) -> ArmSpec:
        return ArmSpec(name=arm.name, code={module: "cured" if self.works else "same"})

    def apply(self, running: FakeRunning) -> None:
        STORY.append(f"apply {running.name}")

    def placebo(self, running: FakeRunning) -> None:
        STORY.append(f"placebo {running.name}")


class FakeLoad:
    """Answers at once where the arm is well, in 300 ms where it is broken."""

    def __init__(
        self, stack: FakeStack, fail_after: int | None = None, lose_after: int | None = None
    ) -> None:
        self.stack, self.fail_after, self.lose_after = stack, fail_after, lose_after
        self.rng = np.random.default_rng(1)

    def lead_s(self, arrivals: float) -> float:
        return 0.05

    def begin(self, order: BlockOrder) -> None:
        self.order = order

    def finish(self, deadline_s: float) -> BlockLoad:
        if self.fail_after is not None and self.order.n > self.fail_after:
            raise EnvironmentFailed("the load driver died")
        running = self.stack.up[self.order.url.removeprefix("http://")]
        slow = running.broken and "cured" not in running.code.values()
        samples = np.zeros(40, SAMPLE)
        samples["due_ns"] = self.order.start_ns
        samples["done_ns"] = samples["due_ns"] + (300e6 if slow else 5e6) * self.rng.uniform(0.99, 1.01, 40)
        samples["sent_ns"] = samples["due_ns"]
        samples["status"] = 200
        checks = GeneratorChecks(
            asked=40, sent=40, answered=40, schedule_error_p50_s=0.0, schedule_error_p99_s=0.0,
            cpu_share_max=0.1, idle_connections=True, achieved=1.0,
            cpu_s=0.01, queued=0, retried=0, recorded=40, counted=40, workers=2,
            workers_lost=int(self.lose_after is not None and self.order.n > self.lose_after),
        )  # fmt: skip
        return BlockLoad(n=self.order.n, samples=samples, names=("page",), checks=checks, schedule_sha256="")


class StillHeart:
    def worst_between(self, start_ns: int, end_ns: int) -> float:
        return 0.0


class NoQuiet:
    def wait(self, running: Any, clock: Any) -> bool:
        return True

    def close(self) -> None: ...


@dataclass(frozen=True)
class Tick:
    """A fake fault that is over at once; its event is what is counted."""

    needs: ClassVar[frozenset[str]] = frozenset()
    event: ClassVar[str | None] = "tick"
    target: ClassVar[str] = "clock"

    def dose(self, running: FakeRunning) -> tuple[Dose, ...]:
        return (Dose(what="ticks", unit="ticks", asked=1, delivered=1),)

    def undo(self, running: FakeRunning) -> Mapping[str, Any]:
        return {}

    @contextmanager
    def inject(self, running: FakeRunning) -> Iterator[Mapping[str, Any]]:
        STORY.append(f"tick {running.name}")
        yield {}


class LuckyStack(FakeStack):
    """The placebo that stands in the place of the fix is cured by something that nobody planned."""

    def start(self, arm: ArmSpec, run: RunContext) -> FakeRunning:
        running = super().start(arm, run)
        running.code = {"slow_page": "cured"} if arm.name == "control-placebo" else running.code
        return running


def scenario(works: bool = True, closing: Closing | None = None) -> Scenario:
    return Scenario(
        slug="slow-page",
        source="title: slow",
        path="slow-page.yaml",
        prose=Prose(title="t", guide="g", problem="p", symptom="s", diagnosis="d", cause="c"),
        stack=StackNeeds(),
        healthy=Healthy(),
        load=Load(rate="80/s", block="500ms", requests=(Request(name="page", get="/"),)),
        faults=(FaultUse(kind="slowness", params=Slowness()),),
        symptoms=(Measure(name="slow", measure="latency.p50", of="page"),),
        guardrails=(),
        fixes={"cure": FixUse(kind="cure", params=Cure(works), documented=True, why="w")},
        closing=closing,
    )


@pytest.fixture
def perform(tmp_path: Path) -> Callable[..., tuple[Experiment, RunFolder]]:
    STORY.clear()

    def make(
        what: Scenario, control: Control | None = None, stack: FakeStack | None = None, **broken: int
    ) -> tuple[Experiment, RunFolder]:
        measures = [MeasureSpec(name="slow", measure="latency.p50", unit="ms", scale="ratio")]
        choice = Choice(fixes=("cure",), seed=7, stack="fake", control_as_fix=control)
        plan = make_plan(what, choice, measures)
        folder = RunFolder.create(tmp_path, what.source, "cafe", plan)
        stack = stack or FakeStack()
        bench = Bench(
            plan=plan, scenario=what, folder=folder, load=FakeLoad(stack, **broken),
            heartbeat=StillHeart(), clock=FakeClock(), probes={}, quiet=NoQuiet(),  # type: ignore[arg-type]
        )  # fmt: skip
        context = RunContext(
            id="cafe", folder=folder.path, scratch=tmp_path, seed=7, report=str, own=lambda _: None
        )
        experiment = Experiment(
            plan=plan, scenario=what, stack=stack, context=context,  # type: ignore[arg-type]
            folder=folder, bench=bench, progress=Silent(), versions={},
        )  # fmt: skip
        return experiment, folder

    return make


def states(experiment: Experiment) -> dict[str, str]:
    return {v.fix: v.state for v in experiment.run().verdicts}


def test_a_cure_resolves_and_the_placebo_does_not(perform: Callable[..., Any]) -> None:
    experiment, folder = perform(scenario())
    assert states(experiment) == {"cure": "resolved", "placebo": "not-resolved"}
    tail = [b for b in folder.read_blocks() if b.phase == "tail"]
    assert [b.arm for b in tail] == ["cure"] * 11


def test_a_cure_that_does_nothing_is_refuted(perform: Callable[..., Any]) -> None:
    experiment, _ = perform(scenario(works=False))
    assert states(experiment)["cure"] == "not-resolved"


def test_every_arm_breaks_after_it_is_warm_and_heals_before_it_stops(perform: Callable[..., Any]) -> None:
    experiment, _ = perform(scenario())
    experiment.run()
    for arm in ("problem", "placebo", "cure"):
        told = [word.split()[0] for word in STORY if word.endswith(f" {arm}")]
        assert told == ["break", "apply" if arm == "cure" else "placebo", "heal", "stop"]
    assert "break healthy" not in STORY


def test_blocks_follow_the_planned_order(perform: Callable[..., Any]) -> None:
    experiment, folder = perform(scenario())
    experiment.run()
    slots = [b.arm for b in folder.read_blocks() if b.phase == "slot"]
    planned = [arm for stratum in folder.read_plan().groups[0].order[:2] for arm in stratum]
    assert slots == planned


def test_a_failure_heals_stops_and_keeps_what_was_measured(perform: Callable[..., Any]) -> None:
    experiment, folder = perform(scenario(), fail_after=15)
    with pytest.raises(EnvironmentFailed):
        experiment.run()
    assert {f"heal {a}" for a in ("problem", "placebo", "cure")} <= set(STORY)
    assert sum(word.startswith("stop") for word in STORY) == 4
    assert len(folder.read_blocks()) == 15 - 8 - 3  # warm-ups and the stretches for fixes are no blocks


@pytest.mark.parametrize(("lose_after", "counted"), [(3, 0), (15, 4), (46, 35)])
def test_a_lost_worker_ends_the_run_at_once_and_voids_it(
    perform: Callable[..., Any], lose_after: int, counted: int
) -> None:
    experiment, folder = perform(scenario(closing=Closing(length="3s", heal_at="1s")), lose_after=lose_after)
    with pytest.raises(GeneratorLost, match="1 of 2 load workers was lost") as lost:
        experiment.run()
    assert lost.value.exit is Exit.VOID
    assert experiment.bench.blocks == lose_after + 1
    assert sum(word.startswith("stop") for word in STORY) == 4
    blocks = folder.read_blocks()
    assert [(b.n, b.phase, b.rules) for b in blocks if b.void] == [(lose_after + 1, "closing", ("workers",))]
    assert len(blocks) == counted + 1
    judgement = judge(experiment.plan, blocks)
    assert {(v.state, v.reason_code) for v in judgement.verdicts} == {("void", "generator-lost")}


class FakeGauges(Gauges):
    """A gauge that tells the broken arms from the well ones, and was asked for each of them."""

    @contextmanager
    def sampled(self, running: Any, start_ns: int, length_s: float, clock: Any) -> Iterator[Any]:
        yield {"held": 90.0 if running.broken else None}

    def values(self, taken: Any, load: BlockLoad) -> dict[str, float | None]:
        return dict(taken)


def test_a_gauge_is_sampled_in_every_block_and_kept_where_it_has_a_value(perform: Callable[..., Any]) -> None:
    memory = Measure(name="held", measure="memory.peak")
    experiment, folder = perform(replace(scenario(), guardrails=(memory,)))
    experiment.bench.gauges = FakeGauges()
    experiment.run()
    held = {(b.role in ("problem", "placebo", "fix"), b.values["held"]) for b in folder.read_blocks()}
    assert held == {(True, 90.0), (False, None)}


def test_a_gauge_that_cannot_be_trusted_ends_the_run_before_its_first_block(
    perform: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment, folder = perform(scenario())
    memory = Measure(name="held", measure="memory.peak")
    experiment.bench.gauges = gauges_of([memory], kinds())
    monkeypatch.setattr(FakeRunning, "memory_mb", lambda self, service: 0.0)
    with pytest.raises(EnvironmentFailed, match="what 'held' reads cannot be trusted") as failed:
        experiment.run()
    assert failed.value.why == "the memory of app read as 0 MB"
    assert not folder.read_blocks()


def test_the_undo_is_on_disk_before_the_fault(perform: Callable[..., Any]) -> None:
    experiment, folder = perform(scenario())
    experiment.run()
    kinds = [e.kind for e in folder.read_events() if e.arm == "problem"]
    assert kinds.index("undo-planned") < kinds.index("fault-on") < kinds.index("fault-off")


def test_a_fault_that_does_not_bite_ends_the_run_before_its_first_block(
    perform: Callable[..., Any],
) -> None:
    blunt = FaultUse(kind="slowness", params=Slowness(bites=False))
    experiment, folder = perform(replace(scenario(), faults=(blunt,)))
    with pytest.raises(EnvironmentFailed, match="the fault slowness on page did not bite") as failed:
        experiment.run()
    assert failed.value.why == "slowness: asked 1 pages, measured 0 pages"
    assert what_failed(failed.value) == "the fault slowness on page did not bite"
    assert not folder.read_blocks()
    assert any(word.startswith("heal ") for word in STORY)


def test_a_fault_that_stays_after_its_undo_is_told(perform: Callable[..., Any]) -> None:
    experiment, folder = perform(
        replace(scenario(), faults=(FaultUse(kind="slowness", params=Slowness(heals=False)),))
    )
    with pytest.raises(EnvironmentFailed, match="still there after its undo"):
        experiment.run()
    assert folder.read_blocks(), "what was measured until then is kept"


def test_a_stop_condition_heals_keeps_the_blocks_and_has_its_own_exit_code(
    perform: Callable[..., Any], tmp_path: Path
) -> None:
    experiment, folder = perform(scenario())
    clock, stop = experiment.bench.clock, Stop(time="20s")  # type: ignore[arg-type]
    experiment.bench.guards = Guards(stop, tmp_path, clock, lambda _: 1e12, lambda: 1e12)
    with pytest.raises(Stopped) as stopped:
        experiment.run()
    assert folder.read_blocks()
    assert {f"heal {arm}" for arm in ("problem", "placebo", "cure")} <= set(STORY)
    assert sum(word.startswith("stop ") for word in STORY) == 4
    assert exit_of(judge(experiment.plan, folder.read_blocks()), stopped.value) is Exit.GUARD
    assert what_failed(stopped.value) == "", "what was measured until then can be judged"


def test_what_was_asked_and_what_was_delivered_is_kept_for_each_arm(perform: Callable[..., Any]) -> None:
    experiment, folder = perform(scenario())
    experiment.run()
    found = {(e.arm, e.kind): e.data["doses"][0] for e in folder.read_events() if "doses" in e.data}
    assert {arm for arm, _ in found} == {"problem", "placebo", "cure"}
    assert {(kind, dose["delivered"], dose["bit"]) for (_, kind), dose in found.items()} == {
        ("dose", 1.0, True),
        ("healed", 0.0, False),
    }


def test_a_closing_episode_heals_under_load_and_says_how_long_recovery_took(
    perform: Callable[..., Any],
) -> None:
    experiment, folder = perform(scenario(closing=Closing(length="3s", heal_at="1s")))
    experiment.run()
    recovered = {e.arm: e.data["seconds"] for e in folder.read_events() if e.kind == "recovered"}
    assert recovered == {"problem": 0.0, "placebo": 0.0, "cure": 0.0}


def test_a_placebo_in_the_place_of_the_fix_does_not_resolve(perform: Callable[..., Any]) -> None:
    experiment, _ = perform(scenario(), control="placebo")
    assert states(experiment) == {"control-placebo": "not-resolved"}
    assert exit_of(judge(experiment.plan, experiment.blocks), None) is Exit.OK


def test_a_placebo_in_the_place_of_the_fix_goes_through_its_side_effects(
    perform: Callable[..., Any],
) -> None:
    experiment, _ = perform(scenario(), control="placebo")
    experiment.run()
    for arm in ("problem", "control-placebo"):
        told = [word.split()[0] for word in STORY if word.endswith(f" {arm}")]
        assert told == ["break", "placebo", "heal", "stop"]


def test_a_placebo_that_resolves_in_the_place_of_the_fix_voids_the_run(perform: Callable[..., Any]) -> None:
    experiment, _ = perform(scenario(), control="placebo", stack=LuckyStack())
    judgement = experiment.run()
    (verdict,) = judgement.verdicts
    assert (verdict.state, verdict.expected) == ("resolved", False)
    assert "the placebo came out RESOLVED" in judgement.void
    assert exit_of(judgement, None) is Exit.VOID


def test_a_perfect_fix_resolves_and_its_arm_is_left_in_peace(perform: Callable[..., Any]) -> None:
    experiment, _ = perform(scenario(closing=Closing(length="3s", heal_at="1s")), control="perfect")
    assert states(experiment) == {"control-perfect": "resolved", "placebo": "not-resolved"}
    assert [word.split()[0] for word in STORY if word.endswith(" control-perfect")] == ["stop"]
    assert [word.split()[0] for word in STORY if word.endswith(" placebo")] == [
        "break",
        "placebo",
        "heal",
        "stop",
    ]


def test_a_perfect_fix_is_measured_for_the_events_that_it_was_spared(perform: Callable[..., Any]) -> None:
    plain = scenario()
    tick = FaultUse(kind="tick", params=Tick(), when="each-block")
    experiment, _ = perform(replace(plain, faults=(*plain.faults, tick)), control="perfect")
    experiment.run()
    events = {(b.arm, b.counts["events"]) for b in experiment.blocks}
    assert events == {("healthy", 0), ("problem", 1), ("placebo", 1), ("control-perfect", 1)}
    assert not [word for word in STORY if word.startswith("tick") and word.endswith(("healthy", "perfect"))]


def test_a_block_tells_when_its_faults_began_also_those_that_it_was_spared(
    perform: Callable[..., Any],
) -> None:
    plain = scenario()
    late = FaultUse(kind="tick", params=Tick(), when="each-block", at="200ms")  # type: ignore[arg-type]
    early = FaultUse(kind="slowness", params=Slowness(), when="each-block")  # has no event, but a moment
    experiment, _ = perform(replace(plain, faults=(late, early)), control="perfect")
    begun = {}
    for name in ("healthy", "problem", "control-perfect"):
        arm = next(arm for arm in experiment.plan.arms if arm.name == name)
        running = experiment.stack.start(ArmSpec(name=name), experiment.context)
        outcome = experiment.bench.run(LiveArm(arm=arm, running=running), 0.5, 0.1)
        begun[name] = [round((at - outcome.start_ns) / 1e9, 3) for at in outcome.reading.moments]
        assert outcome.reading.end_ns == outcome.start_ns + 500_000_000
    assert begun == {"healthy": [], "problem": [0.05, 0.2], "control-perfect": [0.05, 0.2]}


def test_a_control_that_does_not_resolve_when_it_must_refutes(perform: Callable[..., Any]) -> None:
    experiment, _ = perform(scenario(), control="perfect")
    judgement = experiment.run()
    first, *rest = judgement.verdicts
    for state, code in (("improved", Exit.REFUTED), ("inconclusive", Exit.INCONCLUSIVE)):
        other = replace(first, state=state, expected=state in first.expect)
        assert exit_of(replace(judgement, verdicts=(other, *rest)), None) is code
