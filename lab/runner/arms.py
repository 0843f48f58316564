"""The life of an arm: up, faulty, fixed, frozen between its blocks, down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from lab.model.run import Arm
from lab.model.scenario import Scenario
from lab.model.stack import ArmSpec, RunContext, Running, Stack
from lab.plan import linked_services
from lab.runner.clock import Clock
from lab.store import RunFolder

IDLE_CPU = 0.05  # of a core; an arm that burns more while idle is frozen between its blocks
IDLE_WATCH_S = 0.5


@dataclass
class LiveArm:
    """An arm that is up. ``faults`` holds the standing faults; closing it heals them."""

    arm: Arm
    running: Running
    faults: ExitStack = field(default_factory=ExitStack)
    idle_share: float = 0.0  # of a core, while nobody asks it anything
    busy_when_idle: bool = False

    @property
    def name(self) -> str:
        return self.arm.name

    def thaw(self) -> None:
        if self.busy_when_idle:
            self.running.thaw()

    def freeze(self) -> None:
        if self.busy_when_idle:
            self.running.freeze()

    def close(self) -> None:
        """Heal what stands, then end the stack; the stack ends even where healing fails."""
        try:
            self.thaw()
            self.faults.close()
        finally:
            self.running.stop()


@contextmanager
def arms_up(
    stack: Stack, scenario: Scenario, arms: Sequence[Arm], run: RunContext, folder: RunFolder
) -> Iterator[dict[str, LiveArm]]:
    """Start arms in parallel, yield them by name, end them all whatever happens."""
    with ThreadPoolExecutor(max_workers=max(1, len(arms))) as pool, ExitStack() as cleanup:
        live: dict[str, LiveArm] = {}
        pending = [(arm, pool.submit(stack.start, _spec(scenario, arm), run)) for arm in arms]
        cleanup.callback(_stop_all, pool, pending, live)
        for arm, future in pending:
            live[arm.name] = LiveArm(arm=arm, running=future.result())
            folder.event("arm-up", arm.name, live[arm.name].running.url, {})
        yield live


def _spec(scenario: Scenario, arm: Arm) -> ArmSpec:
    return ArmSpec(
        name=arm.name,
        app=scenario.stack.app,
        services=scenario.stack.services,
        processes=arm.processes,
        instances=scenario.stack.instances,
        code=arm.code,
        environment={name: str(value) for name, value in scenario.stack.settings.items()},
        links=linked_services(scenario),  # the same in every arm, the healthy one too: a link takes its time
    )


def _stop_all(
    pool: ThreadPoolExecutor, pending: Sequence[tuple[Arm, Future[Running]]], live: dict[str, LiveArm]
) -> None:
    for _, future in pending:
        future.cancel()
    started = {
        arm.name: future.result()
        for arm, future in pending
        if not future.cancelled() and future.exception() is None
    }
    for name, running in started.items():
        live.setdefault(name, LiveArm(arm=next(a for a, _ in pending if a.name == name), running=running))
    stopping = [pool.submit(one.close) for one in live.values()]
    errors = [error for one in stopping if (error := one.exception()) is not None]
    if errors:
        raise errors[0]


def watch_idle(live: dict[str, LiveArm], clock: Clock) -> None:
    """Find the arms that use CPU while nobody asks them anything, so that they can be frozen."""
    before = {name: one.running.cpu_seconds() for name, one in live.items()}
    clock.sleep_until(clock.now_ns() + int(IDLE_WATCH_S * 1e9))
    for name, one in live.items():
        share = (one.running.cpu_seconds() - before[name]) / IDLE_WATCH_S
        one.busy_when_idle = share > IDLE_CPU
        one.idle_share = 0.0 if one.busy_when_idle else share
