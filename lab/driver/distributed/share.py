"""One worker's part of a block's load. Pure."""

from __future__ import annotations

from dataclasses import replace

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.driver.schedule import Schedule
from lab.driver.words import BlockOrder


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Share:
    """Every ``of``-th arrival from the ``k``-th on. All workers together make every arrival once."""

    k: int = 0
    of: int = 1

    def plan(self, whole: Schedule) -> Schedule:
        """This part of the schedule. Its hash stays that of the whole, to be compared."""
        if self.of == 1:
            return whole
        return replace(
            whole,
            offsets_ns=whole.offsets_ns[self.k :: self.of],
            targets=whole.targets[self.k :: self.of],
        )

    def order(self, whole: BlockOrder) -> BlockOrder:
        """The order as an executor of this part gets it: its connections, its users, draws of its own."""
        if self.of == 1:
            return whole
        return replace(
            whole,
            connections=-(-whole.connections // self.of),
            users=len(range(self.k, whole.users, self.of)),
            seed=whole.seed + self.k,
        )


WHOLE = Share()
