"""Programs that run where a service runs: how they are started, and what is said when they refuse."""

from __future__ import annotations

from collections.abc import Sequence

from lab.errors import EnvironmentFailed

# The shell leads a process group. When its input ends, because the lab closed it or died, it ends the group.
COMPANION = ("sh", "-c", '"$@" & read _; kill -9 0', "sh")


def refused(service: str, command: Sequence[str], said: str) -> EnvironmentFailed:
    """The error for a command that failed beside ``service``."""
    return EnvironmentFailed(
        what=f"{command[0]} failed",
        where=service,
        why="\n".join(said.strip().splitlines()[-15:]) or "it said nothing",
        do="it runs where the service runs, and as its user: see that it is there and may do that",
    )
