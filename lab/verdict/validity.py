"""When no verdict is possible: a disturbed run, an unstable environment, a healthy arm that is not healthy.

Each check answers with a sentence for people, or None where there is nothing to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.model.run import Block, Design, Disturbance
from lab.verdict.bounds import present, quantile
from lab.verdict.facts import Sides
from lab.verdict.figures import share, times, value

FEWEST_SLOTS = 6
UNSTABLE_POWER = 4
MOST_OF_CEILING = 0.6  # of what the load generator can do; above that, it would measure itself


@dataclass(frozen=True, kw_only=True)
class Void:
    """Why there is no verdict: a code for machines and a sentence for people."""

    code: str
    reason: str


def too_disturbed(first_attempts: Sequence[Block], design: Design) -> Void | None:
    """More than ``design.disturbed_share`` of all slots were disturbed in their first attempt."""
    slots, disturbed = len(first_attempts), sum(block.disturbed for block in first_attempts)
    if slots < FEWEST_SLOTS or disturbed <= design.disturbed_share * slots:
        return None
    return Void(
        code="disturbed",
        reason=(
            f"the machine or the load generator disturbed {disturbed} of {slots} slots"
            f" ({share(disturbed / slots)}, at most {share(design.disturbed_share)} allowed),"
            f" so no verdict is possible{_commonest([b for b in first_attempts if b.disturbed])}"
        ),
    )


def generator_lost(blocks: Sequence[Block]) -> Void | None:
    """The load generator broke in some block, so later ones had another load than was planned."""
    broken = next((block for block in blocks if block.void), None)
    if broken is None:
        return None
    return Void(
        code="generator-lost",
        reason=f"{broken.void} (block {broken.n}, arm {broken.arm}), so no verdict of this run counts",
    )


def above_ceiling(asked: float | None) -> Void | None:
    """The plan asks for more than ``MOST_OF_CEILING`` of what the load generator can do."""
    if asked is None or asked <= MOST_OF_CEILING:
        return None
    return Void(
        code="generator-saturated",
        reason=(
            f"the load asks for {share(asked)} of what the generator can do on this machine"
            f" (at most {share(MOST_OF_CEILING)} allowed), so latency would be its own and no verdict is possible"
        ),
    )


def environment_failed(why: str) -> Void | None:
    """A server, a fault or this machine did not do what the run needs, and it ended early."""
    return Void(code="environment-failed", reason=f"{why}, so the run has no verdict") if why else None


_QUIETER = "close what else runs on it, or use a quieter one"
_LESS = "lower the rate, or share it between processes with --workers"
_COMMONEST: Mapping[Disturbance, tuple[str, str]] = {
    "stall": ("the machine stood still", _QUIETER),
    "steal": ("the host of this machine took its CPU time away", "use a host that is less busy"),
    "others": ("other programs used the machine", _QUIETER),
    "cpu": ("the generator used up its core", _LESS),
    "late": ("requests left late", f"{_LESS}; or close what else runs on the machine"),
    "unsent": ("requests could not be sent in time", _LESS),
    "connections": ("requests waited for a free connection", "lower the rate or the time-out"),
    "own-delay": ("the generator delayed requests itself", _LESS),
    "dropped": ("this machine had no port, open file or memory left", "raise its limits, or lower the rate"),
    "sums": (
        "requests were lost in the counting",
        "that is a defect of the lab: report it with logs/load.log",
    ),
    "workers": ("load workers were lost", "see logs/load.log"),
}


def _commonest(disturbed: Sequence[Block]) -> str:
    """What disturbed most slots, and what to do about it; in records that do not name rules, nothing."""
    rules = Counter(rule for block in disturbed for rule in dict.fromkeys(block.rules))
    if not rules:
        return ""
    # The first of the table where several are as common: the machine's own troubles cause the others.
    rule = max(_COMMONEST, key=lambda known: rules[known])
    what, do = _COMMONEST[rule]
    return f"; most often {what} ({rules[rule]} of {len(disturbed)}): {do}"


def invalid(primaries: Sequence[Sides]) -> Void | None:
    """The first thing at a look that makes a verdict on these primary measures impossible."""
    if not primaries:
        return Void(
            code="no-yardstick", reason="the plan has no primary measure, so there is nothing to judge"
        )
    checks = (_no_yardstick, _healthy_over_limit, _unstable)
    return next((void for check in checks for sides in primaries if (void := check(sides))), None)


def _no_yardstick(sides: Sides) -> Void | None:
    if sides.spec.limit is not None or sides.healthy is not None:
        return None
    reason = f"{sides.spec.name} has neither a limit nor a healthy arm to be compared with"
    return Void(code="no-yardstick", reason=reason)


def _healthy_over_limit(sides: Sides) -> Void | None:
    over, spec = sides.over(sides.healthy), sides.spec
    if over == 0 or spec.limit is None or sides.healthy is None:
        return None
    blocks = len(present(sides.healthy))
    return Void(
        code="healthy-over-limit",
        reason=(
            f"{spec.name} was over its limit of {value(spec.limit, spec.unit)} in {over} of {blocks} healthy"
            " blocks, so the limit cannot tell a fault from a healthy app here"
        ),
    )


def _unstable(sides: Sides) -> Void | None:
    """Healthy blocks that spread beyond tau^4 say nothing about a tolerance of tau."""
    spec = sides.spec
    if spec.scale != "ratio" or spec.limit is not None or sides.healthy is None:
        return None
    healthy = present(sides.healthy)
    if not healthy:
        return None
    low, high = quantile(healthy, 0.1), quantile(healthy, 0.9)
    allowed = spec.tau**UNSTABLE_POWER
    if high <= allowed * low:
        return None
    return Void(
        code="environment-unstable",
        reason=(
            f"the environment was unstable: {spec.name} of the healthy arm itself ranged from"
            f" {value(low, spec.unit)} to {value(high, spec.unit)}"
            f" ({times(high / low)}, at most {times(allowed)} allowed)"
        ),
    )
