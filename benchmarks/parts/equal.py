"""Arms of the same code, compared two by two as the judge compares a fix with its problem. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from math import log, sqrt
from statistics import median, stdev

from lab.model.run import Block, Design, MeasureSpec, Plan
from lab.verdict.bounds import Effect, effect, value_in
from lab.verdict.counting import Look, Record, take_look
from lab.verdict.exact import allowed_for
from lab.verdict.facts import Level, Sides, prove, sides_of
from lab.verdict.validity import generator_lost, too_disturbed

DESIGN = Design()
ANY, COUNTS = 1.0, DESIGN.better_by
"""What may be claimed as a gain: any at all, or only what counts in a run."""

Names = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two equal arms on one measure. ``effect`` is the first against the second at the newest look.

    ``apart`` holds the factors, of ANY and COUNTS, by which one arm was called better than the other at
    any look: in either direction, since neither of them is the fix.
    """

    restart: int
    arms: Names
    spec: MeasureSpec
    looks: int
    effect: Effect
    apart: frozenset[float]

    @property
    def off(self) -> float | None:
        """How far from equal: the larger of ratio and inverse, less 1; or the size of the difference."""
        found = self.effect.estimate
        if found is None:
            return None
        return max(found, 1 / found) - 1 if self.spec.scale == "ratio" else abs(found)

    @property
    def reach(self) -> float | None:
        """How far the bounds lie from their middle, on the scale of ``off``."""
        low, high = self.effect.lower, self.effect.upper
        if low is None or high is None:
            return None
        return sqrt(high / low) - 1 if self.spec.scale == "ratio" else (high - low) / 2


@dataclass(frozen=True, kw_only=True)
class Restart:
    """All blocks of arms that were started together, from 1 on."""

    n: int
    plan: Plan
    blocks: Sequence[Block]

    @property
    def void(self) -> str:
        """Why these blocks say nothing, as in a run; empty where they count."""
        firsts = Record(self.plan, self.blocks).first_attempts()
        found = generator_lost(self.blocks) or too_disturbed(firsts, DESIGN)
        return found.reason if found is not None else ""

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Every two arms on every measure."""
        pairs = combinations(self.plan.groups[0].arms, 2)
        return tuple(one for names in pairs for one in self._compared(names))

    def _compared(self, names: Names) -> list[Comparison]:
        looks = self._looks(names)
        return [_comparison(self.n, names, spec, looks) for spec in self.plan.measures]

    def _looks(self, names: Names) -> list[Look]:
        """All looks that the blocks allow, at the first arm as if it were the fix of the second."""
        fixed, problem = (self.plan.arm(name) for name in names)
        arms = (replace(fixed, role="fix"), replace(problem, role="problem"))
        record = Record(replace(self.plan, design=DESIGN, has_healthy=False, arms=arms), self.blocks)
        looks = (take_look(record, arms[0], number) for number in range(len(DESIGN.looks)))
        return [look for look in looks if look is not None]

    def values(self, spec: MeasureSpec) -> list[list[float]]:
        """The values of the blocks that count, arm by arm."""
        record = Record(self.plan, self.blocks)
        arms = (record.counted(arm) for arm in self.plan.groups[0].arms)
        return [[v for block in arm if (v := value_in(block, spec)) is not None] for arm in arms]

    def spreads(self, spec: MeasureSpec) -> list[float]:
        """Standard deviation of the logarithm of block values for each arm; none where zero is possible."""
        if spec.scale != "ratio":
            return []
        return [stdev(map(log, values)) for values in self.values(spec) if len(values) > 1]

    def told_apart(self, factor: float) -> set[Names]:
        """The pairs in which one arm was called better than the other on some measure."""
        return {one.arms for one in self.comparisons if factor in one.apart}


def _comparison(restart: int, names: Names, spec: MeasureSpec, looks: Sequence[Look]) -> Comparison:
    seen = [(sides_of(look, spec), _level(look)) for look in looks]
    apart = {factor for factor in (ANY, COUNTS) for sides, level in seen if _apart(sides, level, factor)}
    newest = [effect(sides.x_f, spec.scale, level.allowed) for sides, level in seen[-1:]]
    return Comparison(
        restart=restart,
        arms=names,
        spec=spec,
        looks=len(looks),
        effect=newest[0] if newest else Effect(),
        apart=frozenset(apart),
    )


def _apart(sides: Sides, level: Level, factor: float) -> bool:
    design = replace(DESIGN, better_by=factor)
    mirrored = Sides(sides.spec, sides.problem, sides.fixed, None)
    return any("BETTER" in prove(either, level, design) for either in (sides, mirrored))


def _level(look: Look) -> Level:
    allowed = allowed_for(DESIGN, DESIGN.allowed, look.number, len(look.strata))
    return Level(
        look=look.number,
        last=look.number == len(DESIGN.looks) - 1,
        allowed=-1 if allowed is None else allowed,
        over=DESIGN.over_limit[look.number],
        guard=None,
    )


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One measure over all restarts. ``off`` is the largest, ``reach`` and ``middle`` are medians.

    ``spread`` holds the smallest and the largest of all arms; empty on the difference scale.
    """

    spec: MeasureSpec
    compared: int
    middle: float | None
    off: float | None
    reach: float | None
    apart_any: int
    apart_counts: int
    spread: tuple[float, ...]


def summary(restarts: Sequence[Restart], spec: MeasureSpec) -> Summary:
    """What all comparisons on one measure say together; those without a look are not among them."""
    looked = [one for r in restarts for one in r.comparisons if one.spec.name == spec.name and one.looks]
    values = [value for r in restarts for arm in r.values(spec) for value in arm]
    spreads = [spread for r in restarts for spread in r.spreads(spec)]
    offs, reaches = [one.off for one in looked], [one.reach for one in looked]
    known = [reach for reach in reaches if reach is not None]
    return Summary(
        spec=spec,
        compared=len(looked),
        middle=median(values) if values else None,
        off=max((off for off in offs if off is not None), default=None),
        reach=median(known) if known else None,
        apart_any=sum(ANY in one.apart for one in looked),
        apart_counts=sum(COUNTS in one.apart for one in looked),
        spread=(min(spreads), max(spreads)) if spreads else (),
    )


@dataclass(frozen=True, kw_only=True)
class Place:
    """Two arms of the plan over all restarts: ``above`` and ``below`` count estimates, ties are in neither.

    By chance the sides are even. An arm on one side in every one of many restarts owes it to its place.
    """

    arms: Names
    spec: MeasureSpec
    above: int
    below: int
    middle: float


def places(restarts: Sequence[Restart], spec: MeasureSpec) -> list[Place]:
    """Every two arms on one measure; none where no look was taken."""
    found: dict[Names, list[float]] = {}
    for one in (one for r in restarts for one in r.comparisons if one.spec.name == spec.name):
        if one.effect.estimate is not None:
            found.setdefault(one.arms, []).append(one.effect.estimate)
    even = 1.0 if spec.scale == "ratio" else 0.0
    return [
        Place(
            arms=arms,
            spec=spec,
            above=sum(value > even for value in values),
            below=sum(value < even for value in values),
            middle=median(values),
        )
        for arms, values in found.items()
    ]
