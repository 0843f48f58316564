"""Which stack a run gets, and why, in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lab.catalog import stacks
from lab.errors import EnvironmentFailed, LabError

if TYPE_CHECKING:
    from lab.model.stack import Stack


def choose_stack(asked: str) -> tuple[Stack, str]:
    """The stack that ``--stack`` asks for, and one line that says which and why."""
    known = dict(stacks())
    if asked == "auto":
        return _auto(known)
    if asked not in known:
        raise LabError(
            f"there is no stack {asked!r}", where="--stack", why=f"there are auto, {', '.join(sorted(known))}"
        )
    stack = known[asked]()
    reason = stack.available()
    if reason:
        raise EnvironmentFailed(
            f"the {asked} stack cannot be used here",
            where="--stack",
            why=reason,
            do="mend it, or leave out --stack so that the lab takes what works; 'lab doctor' tells more",
        )
    return stack, f"{asked}, as asked"


def _auto(known: Mapping[str, type[Any]]) -> tuple[Stack, str]:
    """The first stack, in the order of their ``preference``, that can start without fetching anything."""
    reasons: list[str] = []
    for kind in sorted(known, key=lambda kind: known[kind].preference):
        stack = known[kind]()
        reason = stack.available() or _missing(stack)
        if not reason:
            return stack, "; ".join([f"{kind} stack", *reasons])
        reasons.append(f"no {kind}: {reason}")
    raise EnvironmentFailed(
        "no stack can be used on this machine", why="; ".join(reasons), do="run 'lab doctor' for details"
    )


def _missing(stack: Any) -> str:
    missing = stack.missing_images()
    return f"not present: {', '.join(missing)}" if missing else ""
