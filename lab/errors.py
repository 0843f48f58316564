"""Errors that a person meets, and the exit codes that a script meets.

Every error says what failed, where, why, and one thing to do about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes, the same for every command."""

    OK = 0
    REFUTED = 1
    USAGE = 2
    INCONCLUSIVE = 3
    VOID = 4
    FAULT_OF_LAB = 5
    GUARD = 6
    INTERRUPTED = 130
    TERMINATED = 143


_WORST_FIRST = (
    Exit.INTERRUPTED,
    Exit.TERMINATED,
    Exit.GUARD,
    Exit.FAULT_OF_LAB,
    Exit.VOID,
    Exit.REFUTED,
    Exit.INCONCLUSIVE,
    Exit.USAGE,
    Exit.OK,
)


def worst(codes: list[Exit]) -> Exit:
    """The exit code that wins when several things ended in several ways (OK for none)."""
    return min(codes, key=_WORST_FIRST.index, default=Exit.OK)


@dataclass
class LabError(Exception):
    """Something a person can act on. ``where`` is a file:line:col, a service, a port, a folder."""

    what: str
    where: str = ""
    why: str = ""
    do: str = ""
    exit: Exit = Exit.USAGE

    def __str__(self) -> str:
        lines = [f"{self.what}" + (f" ({self.where})" if self.where else "")]
        if self.why:
            lines.append(f"  why: {self.why}")
        if self.do:
            lines.append(f"  do:  {self.do}")
        return "\n".join(lines)


@dataclass
class EnvironmentFailed(LabError):
    """A server, a container or this machine did not do what the run needs: no verdict (exit 4)."""

    exit: Exit = Exit.VOID
