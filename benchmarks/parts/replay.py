"""Recorded blocks judged again as if they had been another run: the same machine, labels of our own drawing.

Everything that the machine did to the blocks stays: its drift, its memory, its stalls. Only the labels are
drawn anew, by the shuffle that plans a run, so whatever the judge claims of equal blocks is an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random

from lab.model.run import Arm, Block, BlockPlan, Design, Group, MeasureSpec, Phase, Plan, Role, Verdict
from lab.verdict import judge, order
from parts.series import Number, Recorded, Series

ARMS: tuple[Role, ...] = ("healthy", "problem", "placebo")
FAULTY: tuple[Role, ...] = ("problem", "placebo")
MOST_ATTEMPTS = 3  # of a slot that the machine disturbed, as in a run
MOST_TAIL = 2  # times the planned tail, as in a run
ALPHA = 0.00924  # most that one claim may be wrong, over its three looks

Shifts = Mapping[Role, float]
Take = Callable[[str], Recorded]
"""The next recorded block, for the arm that has the slot; its values as they are to be judged."""


@dataclass
class Told:
    """What the judge said of the placebo in many relabellings. ``better`` counts them by measure."""

    states: Counter[str] = field(default_factory=Counter)
    better: Counter[str] = field(default_factory=Counter)
    blocks: int = 0

    @property
    def runs(self) -> int:
        return self.states.total()

    @property
    def most_better(self) -> int:
        return max(self.better.values(), default=0)

    def add(self, verdict: Verdict) -> None:
        # A placebo that came out RESOLVED makes the judge void every other verdict, never its own.
        self.states[verdict.state] += 1
        self.better.update(m.name for m in verdict.measures if "BETTER" in m.facts)
        self.blocks += verdict.blocks


def plan_for(
    measures: Sequence[MeasureSpec], rows: Sequence[Sequence[str]], design: Design | None = None
) -> Plan:
    """The plan of a run of healthy, problem and placebo alone, with the slots of its strata in ``rows``."""
    return Plan(
        scenario="replay",
        scenario_sha256="00",
        seed=0,
        stack="embedded",
        has_healthy=True,
        design=design or Design(),
        measures=tuple(measures),
        arms=tuple(Arm(name=role, role=role, group=1, faulty=role != "healthy") for role in ARMS),
        groups=(Group(n=1, arms=ARMS, order=tuple(tuple(row) for row in rows)),),
        fixes=(),
        block=BlockPlan(
            length_s=0.6, gap_s=0.4, tail_gap_s=0.1, rate=100, arrivals="poisson", timeout_s=2, warm_up_s=2,
            arrivals_seed=1,
        ),
    )  # fmt: skip


def play(plan: Plan, take: Take) -> Verdict:
    """Run the plan on recorded blocks as a run would: look by look, tails, disturbed slots again."""
    blocks: list[Block] = []
    rows, done, slot = plan.groups[0].order, 0, count()
    for strata in plan.design.looks:
        for stratum in range(done, strata):
            for arm in rows[stratum]:
                blocks += _slot(plan, arm, stratum, next(slot), len(blocks), take)
        done = strata
        judgement = judge(plan, blocks)
        for _ in range(MOST_TAIL * plan.design.tail):
            if not judgement.tail:
                break
            blocks += _slot(plan, "placebo", plan.design.looks[-1], next(slot), len(blocks), take, "tail")
            judgement = judge(plan, blocks)
        if not judgement.open:
            break
    return next(verdict for verdict in judgement.verdicts if verdict.arm == "placebo")


def _slot(
    plan: Plan, arm: str, stratum: int, slot: int, n: int, take: Take, phase: Phase = "slot"
) -> list[Block]:
    """The attempts of one slot: until one is not disturbed. A block of the tail is not tried again."""
    attempts: list[Block] = []
    for attempt in range(1, (MOST_ATTEMPTS if phase == "slot" else 1) + 1):
        taken = take(arm)
        attempts.append(
            Block(
                n=n + attempt, group=1, stratum=stratum, slot=slot, arm=arm, role=plan.arm(arm).role, phase=phase,
                start_ns=n + attempt, length_s=0.6, attempt=attempt,
                disturbed=taken.disturbed, reasons=("recorded so",) if taken.disturbed else (),
                values=taken.values,
            )
        )  # fmt: skip
        if not taken.disturbed:
            break
    return attempts


def noise(
    blocks: Sequence[Recorded], spec: MeasureSpec, shifts: Shifts, seed: int, design: Design | None = None
) -> Verdict:
    """One run on the noise of ``blocks``, which are equal: from a drawn moment on, in the order recorded.

    ``shifts`` says by what each arm's value is multiplied; an arm that is not named stays as it was.
    """
    design = design or Design()
    rows = order(seed, ARMS, design.looks[-1], design.per_stratum)
    ahead = _from(blocks, Random(seed))

    def take(arm: str) -> Recorded:
        block = next(ahead)
        value = block.values[spec.name]
        shifted = None if value is None else value * shifts.get(_role(arm), 1.0)
        return _with(block, {spec.name: shifted})

    return play(plan_for((spec,), rows, design), take)


def relabelled(series: Series, seed: int, design: Design | None = None) -> Verdict:
    """One run of recorded strata in which problem and placebo swapped labels by a shuffle of their own.

    Healthy blocks stay what they were. Eight strata follow each other from a drawn one on.
    """
    design = design or Design()
    strata = series.strata()
    first = Random(seed).randrange(len(strata))
    chosen = [strata[(first + n) % len(strata)] for n in range(design.looks[-1])]
    labels = order(seed, FAULTY, design.looks[-1], design.per_stratum)
    rows = [_labels(blocks, iter(row)) for blocks, row in zip(chosen, labels, strict=True)]
    queues = {str(arm): _queue(chosen, rows, arm) for arm in ARMS}
    return play(plan_for(series.measures, rows, design), lambda arm: next(queues[arm]))


def _labels(blocks: Sequence[Recorded], drawn: Iterator[str]) -> list[str]:
    return [block.role if block.role == "healthy" else next(drawn) for block in blocks]


def _queue(
    strata: Sequence[Sequence[Recorded]], rows: Sequence[Sequence[str]], arm: str
) -> Iterator[Recorded]:
    """The blocks that carry the label; a confirm tail goes on with them, and starts again at their end."""
    pairs = [pair for blocks, row in zip(strata, rows, strict=True) for pair in zip(blocks, row, strict=True)]
    mine = [block for block, label in pairs if label == arm]
    while True:
        yield from mine


def _from(blocks: Sequence[Recorded], draw: Random) -> Iterator[Recorded]:
    first = draw.randrange(len(blocks))
    for n in count(first):
        yield blocks[n % len(blocks)]


def _role(arm: str) -> Role:
    return next(role for role in ARMS if role == arm)


def _with(block: Recorded, values: Mapping[str, Number]) -> Recorded:
    return Recorded(
        run=block.run,
        role=block.role,
        stratum=block.stratum,
        start_s=block.start_s,
        disturbed=block.disturbed,
        values=values,
    )
