"""Small hand-made runs for the judge's tests: a plan, and blocks told stratum by stratum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count, cycle

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
    Verdict,
)
from lab.verdict import judge, order

Number = float | None
Told = Number | Sequence[Number] | Mapping[str, "Number | Sequence[Number]"]

P50 = MeasureSpec(name="p50", measure="latency.p50", unit="ms", scale="ratio")
SLOW = MeasureSpec(
    name="slow answers", measure="latency.share_over", unit="share", scale="difference", limit=0.05
)
CALLS = MeasureSpec(
    name="calls per expiry", measure="postgres.calls", unit="calls", scale="difference", limit=1, cause=True
)
ERRORS = MeasureSpec(name="errors", measure="errors.share", unit="share", scale="difference")
GUARD = MeasureSpec(name="queries", measure="postgres.calls", unit="calls", scale="ratio", role="guardrail")

WELL = (10.0, 10.3, 9.8, 10.1, 9.9, 10.2)
ILL = (98.0, 105.0, 101.0, 96.0, 103.0, 99.0)


def make_plan(
    *measures: MeasureSpec,
    fixes: Sequence[str] = ("fix",),
    placebo: bool = False,
    healthy: bool = True,
    groups: int = 1,
    design: Design | None = None,
    expect: tuple[str, ...] = ("resolved",),
) -> Plan:
    """A plan with the same fixes in every group; in group 2 every name ends in ``.2``."""
    design = design or Design()
    arms: list[Arm] = []
    told: list[Group] = []
    for n in range(1, groups + 1):
        end = "" if n == 1 else f".{n}"
        roles = [*(["healthy"] if healthy else []), "problem", *(["placebo"] if placebo else [])]
        members = [Arm(name=role + end, role=role, group=n) for role in roles]
        members += [Arm(name=fix + end, role="fix", group=n, fix=fix + end) for fix in fixes]
        arms += members
        names = tuple(arm.name for arm in members)
        told.append(Group(n=n, arms=names, order=order(n, names, design.looks[-1], design.per_stratum)))
    return Plan(
        scenario="story",
        scenario_sha256="00",
        seed=7,
        stack="embedded",
        has_healthy=healthy,
        design=design,
        measures=measures or (P50,),
        arms=tuple(arms),
        groups=tuple(told),
        fixes=tuple(
            FixPlan(name=arm.name, group=arm.group, documented=True, expect=expect)
            for arm in arms
            if arm.role == "fix"
        ),
        block=BlockPlan(
            length_s=0.5, gap_s=0.4, tail_gap_s=0.1, rate=100, arrivals="poisson", timeout_s=2, warm_up_s=2,
            arrivals_seed=1,
        ),
    )  # fmt: skip


class Story:
    """Blocks of a plan as they come. Values are told by arm: a number, a sequence to go round in, or a
    mapping from measure to either. What is told of no measure by name is told of the first one."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.blocks: list[Block] = []
        self._n = count()
        self._stratum = dict.fromkeys((group.n for group in plan.groups), 0)

    def strata(self, number: int, **arms: Told) -> Story:
        """So many strata; arms that are not told have left, as arms do when they are decided."""
        group = self.plan.arm(next(iter(arms))).group
        feeds = {arm: self._feed(told) for arm, told in arms.items()}
        for _ in range(number):
            stratum = self._stratum[group]
            names = self.plan.groups[group - 1].order[stratum]
            for place, arm in enumerate(names):
                if arm in feeds:
                    slot = stratum * len(names) + place
                    self._add(arm, "slot", stratum, slot, {m: next(f) for m, f in feeds[arm].items()})
            self._stratum[group] += 1
        return self

    def tail(self, arm: str, number: int, told: Told, *, disturbed: bool = False) -> Story:
        feeds = self._feed(told)
        for _ in range(number):
            values = {m: next(f) for m, f in feeds.items()}
            self._add(arm, "tail", 99, 1000 + len(self.blocks), values, disturbed=disturbed)
        return self

    def rerun(self, position: int, told: Told | None = None) -> Story:
        """Mark a slot block as disturbed; with ``told``, run it again with that value. Keeps run order."""
        old = self.blocks[position]
        marked = _changed(old, disturbed=True, reasons=("the machine stalled",))
        again = []
        if told is not None:
            values = {m: next(f) for m, f in self._feed(told).items()}
            again = [_changed(old, attempt=old.attempt + 1, values=values, disturbed=False, reasons=())]
        self.blocks[position : position + 1] = [marked, *again]
        self.blocks = [_changed(block, n=n) for n, block in enumerate(self.blocks)]
        return self

    def of(self, arm: str) -> list[int]:
        """Positions of an arm's slot blocks."""
        return [i for i, block in enumerate(self.blocks) if block.arm == arm and block.phase == "slot"]

    def judge(self) -> Judgement:
        return judge(self.plan, self.blocks)

    def verdict(self, fix: str = "fix") -> Verdict:
        return next(v for v in self.judge().verdicts if v.fix == fix)

    def _feed(self, told: Told) -> dict[str, cycle[Number]]:
        names = [measure.name for measure in self.plan.measures]
        by_measure = told if isinstance(told, Mapping) else {names[0]: told}
        return {m: cycle(v if isinstance(v, Sequence) else (v,)) for m, v in by_measure.items()}

    def _add(
        self, arm: str, phase: Phase, stratum: int, slot: int, values: Mapping[str, Number], **more: bool
    ) -> None:
        known = self.plan.arm(arm)
        n = next(self._n)
        self.blocks.append(
            Block(
                n=n, group=known.group, stratum=stratum, slot=slot, arm=arm, role=known.role, phase=phase,
                start_ns=n * 900_000_000, length_s=0.5, values=values, **more,
            )
        )  # fmt: skip


def _changed(block: Block, **changes: object) -> Block:
    fields = {name: getattr(block, name) for name in block.__dataclass_fields__}
    return Block(**{**fields, **changes})


def story(*measures: MeasureSpec, **options: object) -> Story:
    return Story(make_plan(*measures, **options))  # type: ignore[arg-type]
