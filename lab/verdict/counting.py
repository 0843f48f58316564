"""Which blocks count: attempts, the disturbance gate, complete strata, and the looks taken on them.

A look of an arm depends on nothing but the blocks it needs, so it comes out the same whether the judge
is asked in the middle of a run or afterwards.

- Gate on: a slot counts with its last attempt that was not disturbed; a slot without one is missing.
- Gate off: a slot counts with its first attempt. The gate is off for a look when Fisher's exact test on
  the disturbed first attempts of the arms compared gives p < .05: a gate that depends on the arm would
  choose the blocks of one arm and not of the other.
- A stratum counts when all its blocks of the arms compared do. Look k needs the first ``looks[k]`` such
  strata. When the order is used up and a stratum was lost, the last look is taken on what there is, at
  the error rate of the full one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from lab.model.run import Arm, Block, Plan
from lab.verdict.exact import uneven

Slot = Sequence[Block]  # the attempts of one slot, in order
Pick = Callable[[Slot], Block | None]
Rows = tuple[tuple[Block, ...], ...]  # blocks of one arm, by stratum

UNEVEN = Fraction(5, 100)


def first_attempt(slot: Slot) -> Block:
    return slot[0]


def settled_attempt(slot: Slot) -> Block | None:
    return next((block for block in reversed(slot) if not block.disturbed), None)


@dataclass(frozen=True, kw_only=True)
class Look:
    """The blocks of one look at one arm. ``number`` counts from 0; ``healthy`` is None without that arm."""

    number: int
    strata: tuple[int, ...]
    gate_on: bool
    fixed: Rows
    problem: Rows
    healthy: Rows | None


class Record:
    """The blocks of a run, by arm, stratum and slot. Order in the input does not matter."""

    def __init__(self, plan: Plan, blocks: Sequence[Block]) -> None:
        self.plan = plan
        self._slots: dict[str, dict[int, dict[int, list[Block]]]] = {}
        self._tails: dict[str, list[Block]] = {}
        self._newest: dict[int, Block] = {}  # slot block of each group
        for block in sorted(blocks, key=_run_order):
            if block.phase == "slot":
                self._newest[block.group] = block
                strata = self._slots.setdefault(block.arm, {})
                strata.setdefault(block.stratum, {}).setdefault(block.slot, []).append(block)
            elif block.phase == "tail":
                self._tails.setdefault(block.arm, []).append(block)

    def first_attempts(self) -> list[Block]:
        """The first attempt of every slot that was run, in all groups."""
        return [slot[0] for arm in self._slots.values() for slots in arm.values() for slot in slots.values()]

    def compared(self, arm: Arm) -> tuple[str, ...]:
        """The arms that a verdict on ``arm`` needs: itself, problem, and healthy where there is one."""
        problem = self.plan.in_group(arm.group, "problem")
        healthy = self.plan.in_group(arm.group, "healthy") if self.plan.has_healthy else None
        return tuple(a.name for a in (arm, problem, healthy) if a is not None)

    def complete(self, arms: Sequence[str], pick: Pick) -> dict[int, dict[str, tuple[Block, ...]]]:
        """Strata, in order, in which every slot of all ``arms`` counts, with their blocks by arm."""
        rows = {arm: self._rows(arm, pick) for arm in arms}
        common = set.intersection(*(set(row) for row in rows.values()))
        return {stratum: {arm: rows[arm][stratum] for arm in arms} for stratum in sorted(common)}

    def _rows(self, arm: str, pick: Pick) -> dict[int, tuple[Block, ...]]:
        wanted = self.plan.design.per_stratum
        rows = {}
        for stratum, slots in self._slots.get(arm, {}).items():
            picked = [pick(slots[slot]) for slot in sorted(slots)]
            blocks = tuple(block for block in picked if block is not None)
            if len(blocks) >= wanted:
                rows[stratum] = blocks[:wanted]
        return rows

    def counted(self, arm: str, gate_on: bool = True) -> list[Block]:
        """The slot blocks of an arm that count so far, also those of incomplete strata, as they ran."""
        slots = [slot for strata in self._slots.get(arm, {}).values() for slot in strata.values()]
        picked = (settled_attempt(slot) if gate_on else first_attempt(slot) for slot in slots)
        return sorted((block for block in picked if block is not None), key=_run_order)

    def confirming(self, arm: str, look: Look) -> list[Block]:
        """The blocks of an arm that count beside those of a look, tail and other slots, as they ran."""
        slots = [b for b in self.counted(arm, look.gate_on) if b.stratum not in look.strata]
        tail = [b for b in self._tails.get(arm, []) if (not b.disturbed if look.gate_on else b.attempt == 1)]
        return sorted((*slots, *tail), key=_run_order)

    def ended(self, group: int, arms: Sequence[str]) -> bool:
        """No stratum of the group can still become complete: all were run, and none is being run again."""
        planned = next((len(g.order) for g in self.plan.groups if g.n == group), 0)
        newest = self._newest.get(group)
        idle = newest is not None and not newest.disturbed  # a disturbed slot is run again at once
        return idle and len(self.complete(arms, first_attempt)) >= planned


def _run_order(block: Block) -> tuple[int, int]:
    return (block.n, block.attempt)


def take_look(record: Record, arm: Arm, number: int) -> Look | None:
    """Look ``number`` (from 0) at an arm, or None while blocks for it are missing."""
    arms, need = record.compared(arm), record.plan.design.looks[number]
    firsts = record.complete(arms, first_attempt)
    if len(firsts) < need:
        return None
    opening = dict(list(firsts.items())[:need])
    if uneven(_disturbed(opening, arms)) < UNEVEN:
        return _look(number, opening, arms, record, gate_on=False)
    settled = record.complete(arms, settled_attempt)
    if len(settled) < need and not _cut_short(record, arm, number, len(settled)):
        return None
    return _look(number, dict(list(settled.items())[:need]), arms, record, gate_on=True)


def _cut_short(record: Record, arm: Arm, number: int, strata: int) -> bool:
    """The last look may be taken on fewer strata: none can follow, and they exceed the look before."""
    looks = record.plan.design.looks
    before = looks[number - 1] if number else 0
    last = number == len(looks) - 1
    return last and strata > before and record.ended(arm.group, record.compared(arm))


def _disturbed(
    strata: Mapping[int, Mapping[str, Sequence[Block]]], arms: Sequence[str]
) -> list[tuple[int, int]]:
    """(disturbed, all) blocks of each arm."""
    by_arm = [[block for row in strata.values() for block in row[arm]] for arm in arms]
    return [(sum(block.disturbed for block in blocks), len(blocks)) for blocks in by_arm]


def _look(
    number: int,
    strata: Mapping[int, Mapping[str, tuple[Block, ...]]],
    arms: Sequence[str],
    record: Record,
    *,
    gate_on: bool,
) -> Look:
    rows = [tuple(row[arm] for row in strata.values()) for arm in arms]
    return Look(
        number=number,
        strata=tuple(strata),
        gate_on=gate_on,
        fixed=rows[0],
        problem=rows[1],
        healthy=rows[2] if record.plan.has_healthy and len(rows) > 2 else None,
    )
