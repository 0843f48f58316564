"""The bench: one block of load against one arm, with everything that is read beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab.errors import EnvironmentFailed
from lab.heartbeat import Cpu, Heartbeat, steal_share
from lab.model.load import BlockLoad, BlockOrder, Load
from lab.model.run import Disturbance, Plan
from lab.model.scenario import Request, Scenario
from lab.model.stack import CounterProbe
from lab.runner.actions import Actions
from lab.runner.arms import LiveArm
from lab.runner.block_faults import BlockFaults
from lab.runner.clock import Clock
from lab.runner.counters import Counters
from lab.runner.guards import Guards
from lab.runner.neighbours import Neighbours, Used
from lab.runner.quiet import Quiet
from lab.runner.readings import Reading
from lab.runner.sampling import Gauges
from lab.runner.shaping import Shaping, of_the_load, of_the_stack
from lab.runner.validity import around, breaches, connections_for, fatal, peak_rate, remedy
from lab.store import RunFolder

DRAIN_SLACK_S = 10.0
PRIME_S, PRIME_RATE = 0.35, 6.0
SPIN = 100_000


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One block as it happened: its reading, and what disturbed it: the rules it broke, each with a reason.

    ``void`` says what broke the load generator for good.
    """

    n: int
    start_ns: int
    length_s: float
    reading: Reading
    reasons: tuple[str, ...]
    rules: tuple[Disturbance, ...] = ()
    void: str = ""
    spin_ms: float
    others: float = 0.0


@dataclass
class GeneratorLost(EnvironmentFailed):
    """The load generator broke in this block, or had to be held back: no verdict can follow from the run."""

    arm: LiveArm = field(kw_only=True)
    outcome: Outcome = field(kw_only=True)


@dataclass
class Bench:
    """Runs blocks one after another; ``probes`` maps a measure's name to its counter probe."""

    plan: Plan
    scenario: Scenario
    folder: RunFolder
    load: Load
    heartbeat: Heartbeat
    clock: Clock
    probes: Mapping[str, CounterProbe]
    quiet: Quiet
    guards: Guards | None = None
    neighbours: Neighbours | None = None
    shaping: Shaping = field(init=False)
    actions: Actions = field(init=False)
    gauges: Gauges = field(default_factory=Gauges)
    healthy_p50_s: float = 0.0
    ended_ns: int = 0
    blocks: int = 0
    made_by: tuple[str, str] = ("", "")  # the executor of the newest block, and why it was not the fast one
    load_s: float = 0.0

    def __post_init__(self) -> None:
        self.shaping = Shaping(of_the_load(self.scenario), self.folder)
        self.actions = Actions(self.plan, self.scenario, self.folder, self.clock)

    def run(
        self,
        one: LiveArm,
        length_s: float,
        gap_s: float,
        *,
        during: Callable[[int], None] | None = None,
        faulty: bool | None = None,
        recurring: bool = False,
        rate: float | None = None,
    ) -> Outcome:
        """One block: gap, counters, load with each-block faults, drain, counters.

        GeneratorLost where the load generator broke in it.

        ``during`` is called with the start of the block while the load is on (actions, evidence);
        ``recurring`` has each-block faults come back until it returns, so that evidence can see them.
        """
        if self.guards is not None:
            self.guards.look()
        one.thaw()
        self.quiet.wait(one.running, self.clock)
        spin_ms = _spin_ms()
        counters = Counters(self.probes)
        before, cpu = counters.read(one.running), Cpu.read()
        used = self._used(one)
        order = self._order(one, length_s, gap_s, rate or self.plan.block.rate)
        shapes = recurring or (one.arm.faulty if faulty is None else faulty)
        order = self.shaping.shaped(order) if shapes else order
        faults = BlockFaults(of_the_stack(self.scenario, "each-block"), self.folder, self.clock)
        self.load.begin(order)
        with (
            self.gauges.sampled(one.running, order.start_ns, length_s, self.clock) as taken,
            self._done_to(one, faults, order, faulty=faulty, recurring=recurring),
        ):
            if during is not None:
                during(order.start_ns)
            self.clock.sleep_until(order.end_ns)
        load = self._finished(one, length_s)
        others = self._others(one, used)
        broken = self._broken(order, load, steal_share(cpu, Cpu.read()), others)
        reading = Reading(
            load=load,
            counters=counters.since(before, one.running),
            events=dict(faults.events),
            end_ns=order.end_ns,
            moments=tuple(faults.moments),
            requests=order.requests,
            gauges=self.gauges.values(taken, load),
        )
        one.freeze()
        outcome = _outcome(order, reading, broken, spin_ms=spin_ms, others=others)
        if shapes and not (outcome.void or outcome.reasons):
            self.shaping.prove(order, load, one)
        return _unless_lost(one, outcome)

    def _used(self, one: LiveArm) -> Used | None:
        return None if self.neighbours is None else self.neighbours.read(one.running)

    def _others(self, one: LiveArm, before: Used | None) -> float:
        if self.neighbours is None or before is None:
            return 0.0
        return self.neighbours.share(before, self.neighbours.read(one.running))

    @contextmanager
    def _done_to(
        self, one: LiveArm, faults: BlockFaults, order: BlockOrder, *, faulty: bool | None, recurring: bool
    ) -> Iterator[None]:
        """The faults of this block, for as long as the context lasts."""
        start_ns = order.start_ns
        if recurring:
            with faults.recurring(one, start_ns, order.end_ns):
                yield
            return
        planned = faulty is None
        if not (one.arm.faulty if planned else faulty):
            if one.arm.spared and planned:
                faults.kept_away(start_ns)
            faults.uses = ()
        with faults.at_their_moments(one, start_ns, self.actions.in_block(one) if planned else ()):
            yield

    def _requests(self, one: LiveArm) -> tuple[Request, ...]:
        """What an arm is asked; without the problem, what is asked when all is well."""
        asked = self.scenario.load.requests
        return asked if one.arm.faulty else self.scenario.healthy.requests or asked

    def _finished(self, one: LiveArm, length_s: float) -> BlockLoad:
        load = self.load.finish(self.plan.block.timeout_s + DRAIN_SLACK_S)
        self.ended_ns = self.clock.now_ns()
        self.load_s += length_s
        self.made_by = (load.checks.executor, load.checks.because)
        if self.guards is not None:
            self.guards.after(load, one.name)
        return load

    def _broken(
        self, order: BlockOrder, load: BlockLoad, steal: float, others: float
    ) -> tuple[tuple[Disturbance, str], ...]:
        beside = around(
            order,
            load,
            overshoot_s=self.heartbeat.worst_between(order.start_ns, order.end_ns),
            steal=steal,
            others=others,
            healthy_p50_s=self.healthy_p50_s,
            time_limit_s=time_limit_s(self.scenario),
        )
        return breaches(load.checks, beside)

    def _order(self, one: LiveArm, length_s: float, gap_s: float, rate: float) -> BlockOrder:
        """The next block: after its gap, and once the generator can have its plan made."""
        block = self.plan.block
        self.blocks += 1
        start_ns = max(
            self.ended_ns + int(gap_s * 1e9),
            self.clock.now_ns() + int(self.load.lead_s(length_s * rate) * 1e9),
        )
        return BlockOrder(
            n=self.blocks,
            url=one.running.url,
            start_ns=start_ns,
            stages=block.stages_for(length_s, rate),
            arrivals=block.arrivals,
            seed=block.arrivals_seed,
            timeout_s=block.timeout_s,
            requests=self._requests(one),
            samples=self.folder.samples_path(self.blocks).resolve(),
            locustfile=None if block.locustfile is None else Path(block.locustfile).resolve(),
            user_classes=block.user_classes,
            connections=connections_for(peak_rate(block.stages) or block.rate, block.timeout_s),
            users=0 if rate else block.users,  # closed load has no rate; only its first gentle requests do
        )

    def warm_up(self, one: LiveArm) -> BlockLoad:
        """Load without faults, so that caches, pools and connections are as they are in steady state.

        The first requests come one by one: a cold cache under full load would be an incident of its own.
        """
        self.run(one, PRIME_S, 0.0, faulty=False, rate=PRIME_RATE)
        return self.run(one, self.plan.block.warm_up_s, 0.0, faulty=False).reading.load


def _outcome(
    order: BlockOrder,
    reading: Reading,
    broken: tuple[tuple[Disturbance, str], ...],
    *,
    spin_ms: float,
    others: float,
) -> Outcome:
    return Outcome(
        n=order.n,
        start_ns=order.start_ns,
        length_s=order.length_s,
        reading=reading,
        reasons=tuple(said for _, said in broken),
        rules=tuple(rule for rule, _ in broken),
        void=fatal(reading.load.checks),
        spin_ms=spin_ms,
        others=others,
    )


def _unless_lost(one: LiveArm, outcome: Outcome) -> Outcome:
    if not outcome.void:
        return outcome
    why, do = remedy(outcome.reading.load.checks)
    raise GeneratorLost(
        outcome.void,
        where=f"block {outcome.n}, arm {one.name}",
        why=why,
        do=do,
        arm=one,
        outcome=outcome,
    )


def time_limit_s(scenario: Scenario) -> float:
    """The smallest time that a judged share is counted over; 0 where a latency itself is judged."""
    measures = (*scenario.symptoms, *scenario.guardrails)
    if any(m.measure.startswith("latency.") and m.over is None for m in measures):
        return 0.0
    return min((m.over for m in measures if m.over is not None), default=0.0)


def _spin_ms() -> float:
    """How long a fixed piece of work takes now: the machine's speed before the block, for the record."""
    start = time.perf_counter()
    total = 0
    for i in range(SPIN):
        total += i
    return (time.perf_counter() - start) * 1e3
