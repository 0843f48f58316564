"""What the fixes of a calm run cost, in words; shared, so that no rendering says it differently."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from lab.model.report import Report
from lab.report import numbers
from lab.verdict.calm import CalmCost, calm_costs

HEAD = ("fix", "measure", "without it", "with it", "difference")
NOTE = (
    "Nothing was broken: the same app under the same load, with and without the fix. Each interval misses the"
    " difference in fewer than one of a hundred runs; two equal arms may still differ by up to {share}."
)


@dataclass(frozen=True)
class CostRow:
    """One measure of one fix. ``seen``: a difference that no two equal arms would show.

    ``short`` is the same as ``change`` beside the word that nothing was seen.
    """

    fix: str
    measure: str
    healthy: str
    calm: str
    change: str
    seen: bool = True
    short: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        return (self.fix, self.measure, self.healthy, self.calm, self.change)


def costs(report: Report) -> tuple[CalmCost, ...]:
    """None where the run is void: its blocks say nothing."""
    return () if report.judgement.void else calm_costs(report.plan, report.blocks)


def cost_rows(found: Sequence[CalmCost]) -> tuple[CostRow, ...]:
    """A row for each measure that had a value at all."""
    return tuple(_row(cost) for cost in found if cost.healthy is not None or cost.calm is not None)


def by_fix(rows: Sequence[CostRow]) -> list[tuple[str, list[CostRow]]]:
    return [(fix, list(own)) for fix, own in groupby(rows, lambda row: row.fix)]


def note(found: Sequence[CalmCost]) -> str:
    """What has to be known to read the rows; empty where there are none."""
    return NOTE.format(share=numbers.share(found[0].equal_within - 1)) if found else ""


def markdown(rows: Sequence[CostRow]) -> Iterator[str]:
    """The lines of a table."""
    yield f"| {' | '.join(HEAD)} |"
    yield "|---|---|--:|--:|---|"
    for row in rows:
        yield f"| {' | '.join(row.cells)} |"


def _row(cost: CalmCost) -> CostRow:
    row = CostRow(
        fix=cost.fix,
        measure=cost.measure,
        healthy=numbers.number(cost.healthy, cost.unit),
        calm=numbers.number(cost.calm, cost.unit),
        change=_change(cost),
    )
    if cost.lower is None or cost.upper is None:
        return replace(row, change="not known: too few blocks have a value", seen=False, short="not known")
    if not cost.lower <= _same(cost) <= cost.upper:
        chance = _may_be_chance(cost)
        change = f"{row.change}, as two equal arms may" if chance else row.change
        return replace(row, change=change, seen=not chance, short=_effect(cost.ratio, cost))
    below = _below(cost.lower, cost.upper, cost)
    change = f"no difference seen ({below})" if below else "no difference"
    return replace(row, change=change, seen=False, short=below)


def _same(cost: CalmCost) -> float:
    return 1.0 if cost.scale == "ratio" else 0.0


def _may_be_chance(cost: CalmCost) -> bool:
    """Arms that are equal in all that was chosen still lie in different places of memory and disk."""
    within = cost.equal_within
    return cost.scale == "ratio" and cost.ratio is not None and 1 / within < cost.ratio < within


def _change(cost: CalmCost) -> str:
    ends = " to ".join(_effect(end, cost) for end in (cost.lower, cost.upper))
    return f"{_effect(cost.ratio, cost)} ({ends})"


def _effect(value: float | None, cost: CalmCost) -> str:
    """``+34 %``, ``× 3.1`` from the double on, ``+2.0`` of what is counted."""
    if cost.scale == "ratio" and value is not None and 0.5 <= value < 2:
        return f"{'+' if value > 1 else ''}{numbers.share(value - 1)}"
    return numbers.effect(value, cost.scale, cost.unit)


def _below(lower: float, upper: float, cost: CalmCost) -> str:
    """What would have been seen: the end of the interval that is farther off. Empty where it has no width."""
    if lower == upper:
        return ""
    if cost.scale == "ratio":
        return f"below {_effect(max(upper, 2 - lower), cost).removeprefix('+')}"
    return f"below {numbers.effect(max(upper, -lower), cost.scale, cost.unit).removeprefix('+')}"
