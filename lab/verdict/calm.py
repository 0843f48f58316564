"""What a fix costs where nothing is wrong: each calm arm against the healthy one beside it. Pure.

The comparison is the judge's own, of blocks side by side in a stratum, and so are its bounds: with the pairs
allowed at its one look, an effect lies outside of them in fewer than one of a hundred runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.run import Arm, Block, Design, MeasureSpec, Plan
from lab.verdict.bounds import Scale, effect, median, pairs_of, present, values_of
from lab.verdict.counting import Look, Record, take_look
from lab.verdict.exact import allowed_for

CALM = Design(looks=(4,), allowed=(6,), over_limit=(8,), alpha=(0.00494,))
"""One look, on what would be the second of a judged run."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"), kw_only=True)
class CalmCost:
    """One measure of one fix: medians over blocks in ``unit``, without the fix (``healthy``) and with it.

    ``ratio``, ``lower`` and ``upper`` compare the two: quotients, or differences where ``scale`` says so.
    None is unknown. ``equal_within`` is the quotient by which two equal arms may come to differ.
    """

    fix: str
    measure: str
    unit: str
    scale: Scale
    healthy: float | None
    calm: float | None
    ratio: float | None
    lower: float | None
    upper: float | None
    equal_within: float


def is_calm(plan: Plan) -> bool:
    """The run asks what fixes cost, and has nothing to judge."""
    return any(arm.role == "calm" for arm in plan.arms)


def calm_costs(plan: Plan, blocks: Sequence[Block]) -> tuple[CalmCost, ...]:
    """Every measure of every calm arm, in the order of the plan; nothing of an arm that lacks blocks."""
    record = Record(plan, blocks)
    calm = [arm for arm in plan.arms if arm.role == "calm"]
    return tuple(cost for arm in calm for cost in _of_arm(record, arm))


def _of_arm(record: Record, arm: Arm) -> Iterator[CalmCost]:
    look = take_look(record, arm, 0)
    if look is not None:
        for spec in record.plan.measures:
            yield _cost(record.plan.design, arm, look, spec)


def _cost(design: Design, arm: Arm, look: Look, spec: MeasureSpec) -> CalmCost:
    calm = values_of(look.fixed, spec)
    healthy = values_of(look.problem, spec)  # where nothing is wrong, healthy is what stands beside a fix
    allowed = allowed_for(design, design.allowed, look.number, len(look.strata))
    found = effect(pairs_of(calm, healthy), spec.scale, -1 if allowed is None else allowed)
    return CalmCost(
        fix=arm.fix or arm.name,
        measure=spec.name,
        unit=spec.unit,
        scale=spec.scale,
        healthy=median(present(healthy)),
        calm=median(present(calm)),
        ratio=found.estimate,
        lower=found.lower,
        upper=found.upper,
        equal_within=design.worse_over,
    )
