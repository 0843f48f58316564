"""How an arm looks and is called, everywhere the same: a name, a colour class, a shape, a dash."""

from __future__ import annotations

from dataclasses import dataclass

from lab.model.report import Report
from lab.model.run import Arm

_OF_ROLE = {
    "healthy": ("healthy", "circle", None),
    "problem": ("problem", "square", None),
    "placebo": ("placebo", "diamond", "5 3"),
}
_OF_FIX = (
    ("triangle", None),
    ("nabla", "8 2"),
    ("pentagon", "6 2 2 2"),
    ("hexagon", "2 2"),
    ("kite", "10 3"),
)
_OF_ONE_FIX = ("fix", "calm")
_RANK = ("healthy", "problem", "placebo", "fix", "calm")


@dataclass(frozen=True)
class Look:
    """``css`` is the class that carries the colour; ``shape`` and ``dash`` tell arms apart without it."""

    arm: str
    label: str
    css: str
    shape: str
    dash: str | None
    role: str


def looks(report: Report) -> dict[str, Look]:
    """The look of every arm of the run by name: healthy, problem, placebo, then the fixes in their order."""
    arms = sorted(report.plan.arms, key=lambda arm: (_RANK.index(arm.role), arm.group))
    fixes = list(dict.fromkeys(arm.fix or arm.name for arm in report.plan.arms if arm.role in _OF_ONE_FIX))
    several = len({arm.group for arm in arms}) > 1
    return {arm.name: _look(arm, fixes, several) for arm in arms}


def _look(arm: Arm, fixes: list[str], several: bool) -> Look:
    if arm.role in _OF_ONE_FIX:
        place = fixes.index(arm.fix or arm.name) % len(_OF_FIX)
        shape, dash = _OF_FIX[place]
        return Look(arm.name, arm.fix or arm.name, f"fix{place + 1}", shape, dash, arm.role)
    css, shape, dash = _OF_ROLE[arm.role]
    label = f"{arm.role}, group {arm.group}" if several else arm.role
    return Look(arm.name, label, css, shape, dash, arm.role)
