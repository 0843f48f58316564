"""Faults of the load: a faulty arm is asked otherwise than the others. The stack is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.model.load import BlockLoad, BlockOrder
from lab.model.run import Plan
from lab.model.scenario import FaultUse, Scenario
from lab.runner.arms import LiveArm
from lab.runner.faults import prove_of
from lab.runner.validity import connections_for, peak_rate
from lab.store import RunFolder


def of_the_load(scenario: Scenario) -> list[FaultUse]:
    return [use for use in scenario.faults if "load" in use.params.needs]


def of_the_stack(scenario: Scenario, when: str) -> list[FaultUse]:
    """Those that are done to an arm, for good or in each block."""
    return [use for use in scenario.faults if use.when == when and "load" not in use.params.needs]


def shaped(uses: Sequence[FaultUse], order: BlockOrder) -> BlockOrder:
    """The order with every fault of the load, and connections for its new peak. Tries need no more: a request
    has at most one under way.

    LabError where the load has nothing that a fault could change.
    """
    for use in uses:
        order = use.params.shape(order)
    peak = peak_rate(order.stages)
    needed = connections_for(peak, order.timeout_s) if uses and peak else 0
    return replace(order, connections=max(order.connections, needed))


def highest_rate(plan: Plan, scenario: Scenario) -> float:
    """Requests a second that the run asks of the generator at most, in whichever arm; LabError as above."""
    block = plan.block
    order = BlockOrder(
        n=0,
        url="",
        start_ns=0,
        stages=block.stages_for(block.length_s, block.rate),
        arrivals=block.arrivals,
        seed=block.arrivals_seed,
        timeout_s=block.timeout_s,
        requests=scenario.load.requests,
        samples=Path(),
    )
    return max(_most_asked(one) for one in (order, shaped(of_the_load(scenario), order)))


def _most_asked(order: BlockOrder) -> float:
    """Each request may come as often as it has tries."""
    return peak_rate(order.stages) * (1 if order.retry is None else order.retry.tries)


@dataclass
class Shaping:
    """Shapes the orders of faulty arms, and measures once in each that they were asked so."""

    uses: Sequence[FaultUse]
    folder: RunFolder
    proven: set[tuple[str, int]] = field(default_factory=set)  # an arm and which of the uses

    def shaped(self, order: BlockOrder) -> BlockOrder:
        return shaped(self.uses, order)

    def prove(self, order: BlockOrder, load: BlockLoad, one: LiveArm) -> None:
        """EnvironmentFailed where the first shaped block of an arm was not asked as it should have been.

        Where a fix has left nothing to measure, such as failures for clients to try again, a later block is
        looked at.
        """
        if order.locustfile is not None:
            return
        for n, use in enumerate(self.uses):
            if (one.name, n) in self.proven:
                continue
            doses = use.params.dose_of(order, load)
            if one.arm.role == "fix" and any(dose.delivered is None for dose in doses):
                continue
            prove_of(use, one, self.folder, doses)
            self.proven.add((one.name, n))
