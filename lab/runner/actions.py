"""What fixes do to arms that run. The arms without a fix get the side effects of all fixes, without their content."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from lab.model.run import Plan
from lab.model.scenario import FixUse, Scenario
from lab.runner.arms import LiveArm
from lab.runner.block_faults import Act
from lab.runner.clock import Clock
from lab.store import RunFolder


@dataclass(frozen=True)
class Actions:
    """Of all arms of a run, at their moments: before the first block, or in each."""

    plan: Plan
    scenario: Scenario
    folder: RunFolder
    clock: Clock

    def before_blocks(self, one: LiveArm) -> None:
        """Each once, those that come back in each block too: what they leave behind is what evidence sees."""
        for fix in self._own(one):
            self._apply(one, fix)
        for use in self._of_others(one):
            use.params.placebo(one.running)

    def in_block(self, one: LiveArm) -> list[Act]:
        """Those of each block."""
        own = [(fix, self.scenario.fixes[fix]) for fix in self._own(one)]
        acts = [Act(use.at, partial(self._apply, one, fix)) for fix, use in own if use.when == "each-block"]
        others = [use for use in self._of_others(one) if use.when == "each-block"]
        return acts + [Act(use.at, partial(use.params.placebo, one.running)) for use in others]

    def _own(self, one: LiveArm) -> list[str]:
        fix = one.arm.fix
        return [fix] if fix is not None and fix in self.scenario.fixes else []

    def _of_others(self, one: LiveArm) -> Iterator[FixUse]:
        """Of the group's fixes, or of those in whose place a control is judged."""
        if not one.arm.faulty or self._own(one):
            return
        for plan in self.plan.fixes:
            if plan.group == one.arm.group:
                yield from (self.scenario.fixes[fix] for fix in plan.stands_for or (plan.name,))

    def _apply(self, one: LiveArm, fix: str) -> None:
        began = self.clock.now_ns()
        self.scenario.fixes[fix].params.apply(one.running)
        seconds = (self.clock.now_ns() - began) / 1e9
        self.folder.event("fix-applied", one.name, fix, {"seconds": seconds})
