"""Programs that run where a service runs: how they are started and ended, and what is said when they refuse."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence

from lab.errors import EnvironmentFailed
from lab.reaper.processes import end_processes, members_of
from lab.stacks._tree import cpu_seconds

# The shell leads a process group. When its input ends, because the lab closed it or died, it ends the group.
COMPANION = ("sh", "-c", '"$@" & read _; kill -9 0', "sh")


def end_group(popen: subprocess.Popen[bytes], service: str) -> float:
    """End all of the process group that ``popen`` leads, though it has died; CPU seconds that they used.

    Not to be polled before: until the leader is waited for, its number is nobody else's.
    Raises EnvironmentFailed.
    """
    members = members_of(popen.pid)
    used_s = sum(cpu_seconds(one.pid) for one in members)
    with contextlib.suppress(
        ProcessLookupError, PermissionError
    ):  # the latter on macOS: only zombies are left
        os.killpg(popen.pid, signal.SIGKILL)  # also what is forked right now, and on no list
    with ending(f"what runs beside {service}"):
        end_processes(members)
    popen.communicate()
    return used_s


@contextlib.contextmanager
def ending(what: str) -> Iterator[None]:
    """A process that outlives SIGKILL becomes EnvironmentFailed."""
    try:
        yield
    except TimeoutError as error:
        raise EnvironmentFailed(
            what=f"{what} did not end",
            why=f"{error}: the kernel holds it, as it does while a disk does not answer",
            do="see what it waits for: ps -o pid,stat,wchan,args; lab clean ends it once that has come",
        ) from error


def refused(service: str, command: Sequence[str], said: str) -> EnvironmentFailed:
    """The error for a command that failed beside ``service``."""
    return EnvironmentFailed(
        what=f"{command[0]} failed",
        where=service,
        why="\n".join(said.strip().splitlines()[-15:]) or "it said nothing",
        do="it runs where the service runs, and as its user: see that it is there and may do that",
    )
