"""The experiment: groups of arms side by side, blocks in shuffled order, looks, tails.

The only place where anything happens. It writes after each block, so that what a later step breaks,
an earlier file keeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.model.run import Block, Group, Judgement, Phase, Plan
from lab.model.scenario import Measure, Scenario
from lab.model.stack import RunContext, Stack
from lab.runner.arms import LiveArm, arms_up
from lab.runner.bench import Bench, GeneratorLost, Outcome
from lab.runner.progress import Progress
from lab.runner.readings import shown, value_of
from lab.runner.stages import Stages
from lab.store import RunFolder
from lab.verdict import judge

MOST_ATTEMPTS = 3  # of one slot, when the machine disturbs it
MOST_TAIL = 2  # times the planned tail, before a disturbed tail is given up


@dataclass
class Experiment:
    """One run of one plan. ``blocks`` grows as it goes; ``run`` returns the last judgement."""

    plan: Plan
    scenario: Scenario
    stack: Stack
    context: RunContext
    folder: RunFolder
    bench: Bench
    progress: Progress
    versions: dict[str, str]
    budget_s: float | None = None

    def __post_init__(self) -> None:
        self.blocks: list[Block] = []
        self.began_ns = self.bench.clock.now_ns()

    def run(self) -> Judgement:
        """GeneratorLost, its block on disk, where the load generator broke: the run is void then."""
        try:
            return self._run()
        except GeneratorLost as lost:
            self._keep(lost.arm, lost.outcome, "closing", self.plan.design.looks[-1], 0, 1)
            raise

    def _run(self) -> Judgement:
        stages = Stages(self.plan, self.scenario, self.folder, self.bench, self.progress)
        for group in self.plan.groups:
            # In the order of the draw: an arm that always came up last would keep whatever that is worth.
            arms = [self.plan.arm(name) for name in dict.fromkeys(group.order[0])]
            self.progress.phase(f"starting {len(arms)} arms: {', '.join(group.arms)}")
            with arms_up(self.stack, self.scenario, arms, self.context, self.folder) as live:
                self.versions.update(next(iter(live.values())).running.versions)
                stages.before_blocks(live)
                self._looks(group, live)
                stages.after_blocks(live)
            self.bench.quiet.close()
        return judge(self.plan, self.blocks)

    def _looks(self, group: Group, live: dict[str, LiveArm]) -> None:
        active = set(group.arms)
        done = 0
        for number, strata in enumerate(self.plan.design.looks, start=1):
            self.progress.phase(f"blocks to look {number} of {len(self.plan.design.looks)}")
            for stratum in range(done, strata):
                self._stratum(group, stratum, active, live)
            done = strata
            judgement = self._judge_with_tails(live)
            still = set(judgement.open) & set(group.arms)
            if not still or judgement.void:
                return
            active = still | {a for a in group.arms if self.plan.arm(a).role in ("healthy", "problem")}
            to_come = self.plan.design.looks[number:][:1]
            if to_come and self._over_budget(to_come[0] - strata, len(active)):
                return

    def _stratum(self, group: Group, stratum: int, active: set[str], live: dict[str, LiveArm]) -> None:
        order = group.order[stratum]
        for place, name in enumerate(order):
            if name in active:
                self._slot(live[name], stratum, stratum * len(order) + place)

    def _slot(self, one: LiveArm, stratum: int, slot: int) -> None:
        for attempt in range(1, MOST_ATTEMPTS + 1):
            outcome = self.bench.run(one, self.plan.block.length_s, self.plan.block.gap_s)
            self._keep(one, outcome, "slot", stratum, slot, attempt)
            if not outcome.reasons:
                return

    def _judge_with_tails(self, live: dict[str, LiveArm]) -> Judgement:
        judgement = judge(self.plan, self.blocks)
        while waiting := [name for name in judgement.tail if name in live]:
            missing = {v.arm: (v.tail_of or 0) - v.blocks for v in judgement.verdicts}
            filled = [self._tail(live[name], max(1, missing[name])) for name in waiting]
            if not all(filled):
                break
            judgement = judge(self.plan, self.blocks)
        self.progress.look(judgement)
        return judgement

    def _tail(self, one: LiveArm, want: int) -> bool:
        """``want`` more blocks of the fix arm alone; False where the machine disturbs too many of them."""
        slot = max((b.slot for b in self.blocks), default=0)
        gap = self.plan.block.gap_s  # the first tail block still follows another arm's block
        for _ in range(MOST_TAIL * self.plan.design.tail):
            if want <= 0:
                return True
            slot += 1
            outcome = self.bench.run(one, self.plan.block.length_s, gap)
            self._keep(one, outcome, "tail", self.plan.design.looks[-1], slot, 1)
            gap = self.plan.block.tail_gap_s
            want -= not outcome.reasons
        return False

    def _keep(
        self, one: LiveArm, outcome: Outcome, phase: Phase, stratum: int, slot: int, attempt: int
    ) -> None:
        load = outcome.reading.load
        block = Block(
            n=outcome.n,
            group=one.arm.group,
            stratum=stratum,
            slot=slot,
            arm=one.name,
            role=one.arm.role,
            phase=phase,
            start_ns=outcome.start_ns,
            length_s=outcome.length_s,
            attempt=attempt,
            disturbed=bool(outcome.reasons),
            reasons=outcome.reasons,
            rules=outcome.rules,
            void=outcome.void,
            values={m.name: value_of(m, outcome.reading) for m in self._measures()},
            counts={
                "asked": load.checks.asked,
                "sent": load.checks.sent,
                "answered": load.checks.answered,
                "events": sum(outcome.reading.events.values()),
            },
            shown={
                **shown(load),
                "spin_ms": round(outcome.spin_ms, 3),
                "others": round(outcome.others, 3),
            },
        )
        self.blocks.append(block)
        self.folder.append_block(block)
        self.progress.block(block)

    def _measures(self) -> Sequence[Measure]:
        return (*self.scenario.symptoms, *self.scenario.guardrails)

    def _over_budget(self, strata: int, arms: int) -> bool:
        """So many more strata of so many arms would end after the budget."""
        if self.budget_s is None:
            return False
        used = (self.bench.clock.now_ns() - self.began_ns) / 1e9
        slots = strata * arms * self.plan.design.per_stratum
        return used + slots * (self.plan.block.length_s + self.plan.block.gap_s) > self.budget_s
