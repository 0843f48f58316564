"""What a fault was asked to do, and what it was measured to do. Pure data."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

_ON_DISK = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_ON_DISK, kw_only=True)
class Dose:
    """One effect of a fault in one unit, for example the delay that a link adds, in ms.

    ``delivered`` is measured while the fault is on, None where it could not be measured. ``counts`` says
    which direction is a fault that did not bite: ``exactly`` allows ``slack`` around what was asked,
    ``at-least`` and ``at-most`` one side of it. ``slack`` is in ``unit``.
    """

    what: str
    unit: str
    asked: float
    delivered: float | None
    slack: float = 0.0
    counts: Literal["exactly", "at-least", "at-most"] = "exactly"

    @property
    def bit(self) -> bool:
        """Whether the fault did what it was asked to do."""
        if self.delivered is None:
            return False
        over = self.delivered - self.asked
        low = self.counts != "at-most" and over < -self.slack
        high = self.counts != "at-least" and over > self.slack
        return not (low or high)
