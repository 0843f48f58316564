"""A whole run of the experiment on a simulated bench: slots in shuffled order, reruns, looks, confirm tails.

The steps are those of ``lab.runner.experiment`` and the judge is the real one; only the bench is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import exp
from typing import Protocol

import numpy as np

from lab.model.run import (
    Arm,
    Block,
    BlockPlan,
    Design,
    FixPlan,
    Group,
    Judgement,
    MeasureSpec,
    Phase,
    Plan,
    Role,
    Verdict,
)
from lab.plan import GAP_S, TAIL_GAP_S
from lab.verdict import judge, order
from parts.noise import Machine, Profile

LENGTH_S, RATE = 0.5, 150.0
MOST_ATTEMPTS, MOST_TAIL = 3, 2
ROLES: tuple[Role, ...] = ("healthy", "problem", "placebo", "fix")
P50 = MeasureSpec(name="p50", measure="latency.p50", unit="ms", scale="ratio")

Effect = Callable[[np.random.Generator], float]  # of one block, as a multiple of healthy
Order = Callable[[int, Sequence[str], int, int], tuple[tuple[str, ...], ...]]


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is so: the effect of the fault, and of the fix in a share ``fails`` of its blocks and else."""

    name: str
    problem: float
    fixed: float
    fails: float = 0.0

    @property
    def nothing_fixed(self) -> bool:
        return self.problem == self.fixed

    def effect(self, arm: str, draw: np.random.Generator) -> float:
        if arm == "healthy":
            return 1.0
        if arm != "fix":
            return self.problem
        return self.problem if self.fails and draw.random() < self.fails else self.fixed


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one block came to."""

    value: float | None
    disturbed: bool = False


class Bench(Protocol):
    """Puts load on an arm from a moment on, ``LENGTH_S`` long."""

    def block(self, arm: str, begin_s: float) -> Seen: ...


class NoisyBench:
    """A truth on a noisy machine: the median latency of each block in ms, gated on stalls of the machine."""

    def __init__(self, truth: Truth, profile: Profile, seed: int) -> None:
        self.truth = truth
        self.machine = Machine(profile, seed)
        self._draw = np.random.default_rng((seed, 1))
        self._own = {arm: exp(self._draw.normal(0, profile.process)) for arm in ROLES}

    def block(self, arm: str, begin_s: float) -> Seen:
        effect = self._own[arm] * self.truth.effect(arm, self._draw)
        latencies = self.machine.latencies(begin_s, LENGTH_S, RATE, effect)
        return Seen(
            value=float(np.median(latencies)) * 1e3,
            disturbed=self.machine.stalled(begin_s, begin_s + LENGTH_S),
        )


def plan_of(
    seed: int, measure: MeasureSpec = P50, design: Design | None = None, ordered: Order = order
) -> Plan:
    """Four arms, one of them the fix, in the order of this seed."""
    design = design or Design()
    arms = tuple(Arm(name=role, role=role, group=1, fix="fix" if role == "fix" else None) for role in ROLES)
    slots = ordered(seed, ROLES, design.looks[-1], design.per_stratum)
    return Plan(
        scenario="trial",
        scenario_sha256="00",
        seed=seed,
        stack="simulated",
        has_healthy=True,
        design=design,
        measures=(measure,),
        arms=arms,
        groups=(Group(n=1, arms=ROLES, order=slots),),
        fixes=(FixPlan(name="fix", group=1, documented=True, expect=("resolved",)),),
        block=BlockPlan(
            length_s=LENGTH_S,
            gap_s=GAP_S,
            tail_gap_s=TAIL_GAP_S,
            rate=RATE,
            arrivals="poisson",
            timeout_s=2,
            warm_up_s=0,
            arrivals_seed=1,
        ),
    )


@dataclass
class Trial:
    """One run from first block to last. ``wall_s`` is the clock, ``load_s`` the time under load."""

    plan: Plan
    bench: Bench
    blocks: list[Block] = field(default_factory=list)
    wall_s: float = 0.0

    def run(self) -> Trial:
        design, group = self.plan.design, self.plan.groups[0]
        active, done = set(group.arms), 0
        for strata in design.looks:
            for stratum in range(done, strata):
                for place, arm in enumerate(group.order[stratum]):
                    if arm in active:
                        self._slot(arm, stratum, stratum * len(group.order[stratum]) + place)
            done = strata
            self.judgement = self._judged_with_tails()
            if not self.judgement.open or self.judgement.void:
                break
            active = {"healthy", "problem", *self.judgement.open}
        return self

    def _slot(self, arm: str, stratum: int, slot: int) -> None:
        for attempt in range(1, MOST_ATTEMPTS + 1):
            if not self._block(arm, "slot", stratum, slot, attempt, GAP_S).disturbed:
                return

    def _judged_with_tails(self) -> Judgement:
        judgement = judge(self.plan, self.blocks)
        while judgement.tail:
            missing = {v.arm: (v.tail_of or 0) - v.blocks for v in judgement.verdicts}
            filled = [self._tail(arm, missing[arm]) for arm in judgement.tail]
            if not all(filled):
                break
            judgement = judge(self.plan, self.blocks)
        return judgement

    def _tail(self, arm: str, want: int) -> bool:
        gap = GAP_S
        for _ in range(MOST_TAIL * self.plan.design.tail):
            if want <= 0:
                return True
            seen = self._block(arm, "tail", self.plan.design.looks[-1], len(self.blocks) + 1000, 1, gap)
            gap = TAIL_GAP_S
            want -= not seen.disturbed
        return False

    def _block(self, arm: str, phase: Phase, stratum: int, slot: int, attempt: int, gap_s: float) -> Seen:
        begin = self.wall_s + gap_s
        seen = self.bench.block(arm, begin)
        self.wall_s = begin + LENGTH_S
        self.blocks.append(
            Block(
                n=len(self.blocks),
                group=1,
                stratum=stratum,
                slot=slot,
                arm=arm,
                role=self.plan.arm(arm).role,
                phase=phase,
                start_ns=round(begin * 1e9),
                length_s=LENGTH_S,
                attempt=attempt,
                disturbed=seen.disturbed,
                rules=("stall",) if seen.disturbed else (),
                reasons=("the machine stood still",) if seen.disturbed else (),
                values={self.plan.measures[0].name: seen.value},
            )
        )
        return seen

    @property
    def load_s(self) -> float:
        return len(self.blocks) * LENGTH_S

    @property
    def fix(self) -> Verdict:
        return self._verdict("fix")

    @property
    def placebo(self) -> Verdict:
        return self._verdict("placebo")

    def _verdict(self, arm: str) -> Verdict:
        return next(verdict for verdict in self.judgement.verdicts if verdict.arm == arm)


def trial(truth: Truth, profile: Profile, seed: int, design: Design | None = None) -> Trial:
    """One run; the seed decides order, machine and requests."""
    return Trial(plan_of(seed, design=design), NoisyBench(truth, profile, seed)).run()
