"""A run as the lab judges it: six short blocks, the validity rules of every one, void or not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.errors import EnvironmentFailed
from lab.heartbeat import Cpu, Heartbeat, steal_share
from lab.model.load import BlockOrder
from lab.model.run import Block, Design
from lab.runner.validity import around, disturbances, fatal
from lab.verdict.validity import FEWEST_SLOTS, too_disturbed
from parts.ours import Ask, Driver, Played
from parts.timer import NS

BLOCKS = FEWEST_SLOTS

During = Callable[[int, BlockOrder], None]
"""What is done to a block (0..) once it was ordered: the sabotage."""


@dataclass(frozen=True)
class Run:
    """``reasons`` of all blocks; ``void`` in words, empty where the run counts."""

    void: str
    disturbed: int
    reasons: tuple[str, ...] = ()


@dataclass
class Judge:
    """The validity rules with what they look at: heartbeat, steal, the generator's own checks."""

    heartbeat: Heartbeat
    healthy_p50_s: float
    notes: list[str] = field(default_factory=list)

    def run(self, driver: Driver, ask: Ask, during: During | None = None) -> Run:
        """Six blocks, with other arrivals each. A driver that fails ends the run, void, as in the lab."""
        blocks: list[Block] = []
        try:
            for k in range(BLOCKS):
                block, fatal_why = self._block(driver, replace(ask, seed=ask.seed * 100 + k), k, during)
                blocks.append(block)
                if fatal_why:
                    return Run(fatal_why, _disturbed(blocks), _reasons(blocks))
        except EnvironmentFailed as failed:
            return Run(f"{failed.what}: {failed.why}".splitlines()[0], _disturbed(blocks), _reasons(blocks))
        void = too_disturbed(blocks, Design())
        return Run(void.reason if void else "", _disturbed(blocks), _reasons(blocks))

    def _block(self, driver: Driver, ask: Ask, k: int, during: During | None) -> tuple[Block, str]:
        cpu = Cpu.read()
        played = driver.play(ask, (lambda order: during(k, order)) if during else None)
        order, load = played.order, played.load
        end_ns = order.start_ns + round(order.length_s * NS)
        reasons = disturbances(
            load.checks,
            around(
                order,
                load,
                overshoot_s=self.heartbeat.worst_between(order.start_ns, end_ns),
                steal=steal_share(cpu, Cpu.read()),
                healthy_p50_s=self.healthy_p50_s,
            ),
        )
        return _as_block(k, played, reasons), fatal(load.checks)


def _as_block(k: int, played: Played, reasons: tuple[str, ...]) -> Block:
    return Block(
        n=k + 1,
        group=1,
        stratum=k,
        slot=k,
        arm="healthy",
        role="healthy",
        phase="slot",
        start_ns=played.order.start_ns,
        length_s=played.order.length_s,
        disturbed=bool(reasons),
        reasons=reasons,
    )


def _disturbed(blocks: list[Block]) -> int:
    return sum(block.disturbed for block in blocks)


def _reasons(blocks: list[Block]) -> tuple[str, ...]:
    return tuple(reason for block in blocks for reason in block.reasons)


@contextlib.contextmanager
def judging(folder: Path, healthy_p50_s: float) -> Iterator[Judge]:
    """A judge with a beating heart."""
    heartbeat = Heartbeat.start(folder, own=lambda _: None)
    try:
        yield Judge(heartbeat, healthy_p50_s)
    finally:
        heartbeat.close()
