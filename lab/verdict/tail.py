"""The confirm tail: a rank test sees typical blocks, so a fix that fails now and then needs a second look.

Before a fix is called resolved, blocks of its arm alone are run until ``design.tail`` of them exist,
the slots included, and not one may stand out. The first so many in the order they ran decide, so that
later ones change nothing. Only blocks in which every primary measure is present
count; a tail that keeps coming back without values is given up at twice its length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.model.run import Block, Design, MeasureSpec
from lab.verdict.bounds import present, quantile, value_in
from lab.verdict.facts import Sides


@dataclass(frozen=True, kw_only=True)
class Tail:
    """``clean`` of ``counted`` blocks were clean, ``of`` are needed; ``dirty`` names what stood out where."""

    clean: int
    counted: int
    of: int
    dirty: tuple[str, ...] = ()  # the measures that stood out, by first appearance
    given_up: bool = False

    @property
    def complete(self) -> bool:
        return self.counted >= self.of


def most_allowed_in_tail(sides: Sides, design: Design) -> float | None:
    """The most that one block of the fix arm may show; None where nothing is known of healthy.

    The limit where there is one, else tau * 1.2 * p90 of healthy, or p90 + 1.2 * tolerance on the
    difference scale.
    """
    spec = sides.spec
    if spec.limit is not None:
        return spec.limit
    healthy = present(sides.healthy) if sides.healthy is not None else []
    if not healthy:
        return None
    usual = quantile(healthy, 0.9)
    if spec.scale == "ratio":
        return spec.tau * design.tail_factor * usual
    return usual + design.tail_factor * spec.tolerance


def confirm(
    slots: Sequence[Block], tail: Sequence[Block], primaries: Sequence[Sides], design: Design
) -> Tail:
    """Check the blocks of a look, then those that were run beside it, in order, until there are enough."""
    bounds = [(sides.spec, most_allowed_in_tail(sides, design)) for sides in primaries]
    counted = [block for block in slots if _whole(block, primaries)]
    wanted = max(design.tail, len(counted))
    seen = 0
    for block in tail:
        if len(counted) >= wanted or seen >= 2 * design.tail:
            break
        seen += 1
        if _whole(block, primaries):
            counted.append(block)
    stood_out = [_standing_out(block, bounds) for block in counted]
    return Tail(
        clean=sum(not names for names in stood_out),
        counted=len(counted),
        of=wanted,
        dirty=tuple(dict.fromkeys(name for names in stood_out for name in names)),
        given_up=len(counted) < wanted and seen >= 2 * design.tail,
    )


def _whole(block: Block, primaries: Sequence[Sides]) -> bool:
    return all(value_in(block, sides.spec) is not None for sides in primaries)


def _standing_out(block: Block, bounds: Sequence[tuple[MeasureSpec, float | None]]) -> list[str]:
    found = []
    for spec, bound in bounds:
        value = value_in(block, spec)
        if bound is None or value is None or value > bound:
            found.append(spec.name)
    return found
