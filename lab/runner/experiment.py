"""The experiment: groups of arms side by side, blocks in shuffled order, looks, tails, closing episodes.

The only place where anything happens. It writes after each block, so that what a later step breaks,
an earlier file keeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.errors import EnvironmentFailed, LabError
from lab.model.run import Block, Group, Judgement, Phase, Plan
from lab.model.scenario import Measure, Scenario
from lab.model.stack import Evidence, RunContext, Stack
from lab.runner.arms import LiveArm, arms_up, fault_on, watch_idle
from lab.runner.bench import Bench, Outcome
from lab.runner.progress import Progress
from lab.runner.readings import latencies_ms, recovery_s, shown, value_of
from lab.store import RunFolder
from lab.verdict import judge

MOST_ATTEMPTS = 3  # of one slot, when the machine disturbs it
EVIDENCE_S = 2.0  # of load, while the probes look
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
        for group in self.plan.groups:
            arms = [self.plan.arm(name) for name in group.arms]
            self.progress.phase(f"starting {len(arms)} arms: {', '.join(group.arms)}")
            with arms_up(self.stack, self.scenario, arms, self.context, self.folder) as live:
                self.versions.update(next(iter(live.values())).running.versions)
                self._settle(live)
                self._preflight(live)
                self._break_and_mend(group, live)
                self._looks(group, live)
                self._close(live)
            self.bench.quiet.close()
        return judge(self.plan, self.blocks)

    # -- before the first block -------------------------------------------------------------------

    def _settle(self, live: dict[str, LiveArm]) -> None:
        self.progress.phase("warming up")
        for one in live.values():
            load = self.bench.warm_up(one)
            if len(load.samples) and bool((load.samples["error"] > 0).all()):
                raise EnvironmentFailed(
                    f"no request of the warm-up succeeded in arm {one.name}",
                    where=one.running.url,
                    why=f"the app's last lines:\n{one.running.logs('app', 8)}",
                    do="try the request by hand after 'lab up', or see logs/ in the run folder",
                )
            if one.arm.role == "healthy" or not self.bench.healthy_p50_s:
                times = latencies_ms(load.samples)
                self.bench.healthy_p50_s = float(sorted(times)[len(times) // 2]) / 1e3
        watch_idle(live, self.bench.clock)

    def _preflight(self, live: dict[str, LiveArm]) -> None:
        """A counter that lags would book one block's work into the next: refuse before it can."""
        one = next(iter(live.values()))
        for name, probe in self.bench.probes.items():
            lag = probe.preflight(one.running)
            if lag:
                raise EnvironmentFailed(
                    f"the counter behind {name!r} cannot be trusted",
                    where=one.running.url,
                    why=lag,
                    do="use a server whose counters are written at once, or measure something else",
                )

    def _break_and_mend(self, group: Group, live: dict[str, LiveArm]) -> None:
        """Standing faults on, then for each faulty arm a stretch of load in which its fix (or the
        side effects of the fixes, without their content) is applied and evidence is taken."""
        faulty = [one for one in live.values() if one.arm.faulty]
        for one in faulty:
            for use in self.scenario.faults:
                if use.when == "standing":
                    self.progress.phase(f"{use.kind} on {one.name}")
                    one.faults.enter_context(fault_on(use, one, self.folder))
        self.progress.phase("applying fixes and taking evidence under load")
        for one in faulty:
            self.bench.run(
                one,
                EVIDENCE_S if self._shows(one) else self.plan.block.warm_up_s,
                self.plan.block.gap_s,
                during=lambda _start, one=one: self._mend(group, one),  # type: ignore[misc]
                recurring=True,
            )

    def _mend(self, group: Group, one: LiveArm) -> None:
        if one.arm.fix is not None:
            began = self.bench.clock.now_ns()
            self.scenario.fixes[one.arm.fix].params.apply(one.running)
            seconds = (self.bench.clock.now_ns() - began) / 1e9
            self.folder.event("fix-applied", one.name, one.arm.fix, {"seconds": seconds})
        else:
            for name in group.arms:
                if (fix := self.plan.arm(name).fix) is not None:
                    self.scenario.fixes[fix].params.placebo(one.running)
        if self._shows(one):
            self._take_evidence(one)

    def _shows(self, one: LiveArm) -> bool:
        return bool(self.scenario.evidence) and one.arm.role in ("problem", "fix")

    def _take_evidence(self, one: LiveArm) -> None:
        for use in self.scenario.evidence:
            try:
                seen = use.params.capture(one.running)
            except Exception as error:  # noqa: BLE001  evidence is never worth a run
                reason = str(error).strip().splitlines() or [type(error).__name__]
                seen = Evidence(
                    title=use.title or use.kind, command="", text=f"could not be read: {reason[0]}"
                )
            self.folder.save_evidence(f"{one.name}.{use.kind}", seen)

    # -- blocks ------------------------------------------------------------------------------------

    def _looks(self, group: Group, live: dict[str, LiveArm]) -> None:
        active = set(group.arms)
        done = 0
        per_look = max(self.plan.design.looks[-1] // len(self.plan.design.looks), 1)
        for number, strata in enumerate(self.plan.design.looks, start=1):
            self.progress.phase(f"blocks to look {number} of {len(self.plan.design.looks)}")
            for stratum in range(done, strata):
                self._stratum(group, stratum, active, live)
            done = strata
            judgement = self._judge_with_tails(live)
            still = set(judgement.open) & set(group.arms)
            if not still or judgement.void or self._over_budget(per_look):
                return
            active = still | {a for a in group.arms if self.plan.arm(a).role in ("healthy", "problem")}

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
            filled = [self._tail(live[name], missing[name]) for name in waiting]
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
            length_s=self.plan.block.length_s,
            attempt=attempt,
            disturbed=bool(outcome.reasons),
            reasons=outcome.reasons,
            values={m.name: value_of(m, outcome.reading) for m in self._measures()},
            counts={
                "asked": load.checks.asked,
                "sent": load.checks.sent,
                "answered": load.checks.answered,
                "events": sum(outcome.reading.events.values()),
            },
            shown={**shown(load), "spin_ms": round(outcome.spin_ms, 3)},
        )
        self.blocks.append(block)
        self.folder.append_block(block)
        self.progress.block(block)

    def _measures(self) -> Sequence[Measure]:
        return (*self.scenario.symptoms, *self.scenario.guardrails)

    def _over_budget(self, per_look: int) -> bool:
        if self.budget_s is None:
            return False
        used = (self.bench.clock.now_ns() - self.began_ns) / 1e9
        next_look = per_look * 3 * 4 * (self.plan.block.length_s + self.plan.block.gap_s)
        return used + next_look > self.budget_s

    # -- after the last block ----------------------------------------------------------------------

    def _close(self, live: dict[str, LiveArm]) -> None:
        """Heal every standing fault, under load where the scenario asks how long recovery takes."""
        for one in (one for one in live.values() if one.arm.faulty):
            self.progress.phase(f"healing {one.name}")
            if self.scenario.closing is None:
                one.thaw()
                one.faults.close()
            else:
                self._closing_episode(one)

    def _closing_episode(self, one: LiveArm) -> None:
        closing = self.scenario.closing
        if closing is None:
            raise LabError("no closing episode is planned")
        healed: list[int] = []

        def heal(start_ns: int) -> None:
            self.bench.clock.sleep_until(start_ns + int(closing.heal_at * 1e9))
            one.faults.close()
            healed.append(self.bench.clock.now_ns())

        outcome = self.bench.run(one, closing.length, self.plan.block.gap_s, during=heal)
        seconds = recovery_s(outcome.reading.load, healed[0])
        self.folder.event("recovered", one.name, "closing", {"seconds": seconds, "healed_ns": healed[0]})
