"""The processes of a service, as this machine sees them, and a clear word where it does not."""

from __future__ import annotations

from lab.errors import EnvironmentFailed
from lab.model.stack import Running, ServiceName

Several = ServiceName | None  # a service, or None for all instances of the app


def chosen(running: Running, of: Several) -> tuple[ServiceName, ...]:
    """``of``, or all instances of the app."""
    return running.instances if of is None else (of,)


def pids_of(running: Running, service: ServiceName) -> tuple[int, ...]:
    """At least one, the first one first. Raises EnvironmentFailed where it is down or out of sight."""
    pids = running.pids(service)
    if pids:
        return pids
    if running.alive(service):
        raise EnvironmentFailed(
            what=f"the processes of {service} cannot be seen from here",
            where=running.name,
            why="it runs on another machine, or in a container whose process ids stay inside",
            do="look where it runs: lab up --stack embedded, or the option --pid for a process of this machine",
        )
    raise EnvironmentFailed(
        what=f"{service} is down",
        where=running.name,
        why=running.logs(service, 5),
        do="start it again; its log tells why it ended",
    )


def serving(running: Running, of: Several) -> int:
    """The process that does the work: of several that share a port, the first child. Raises EnvironmentFailed."""
    import psutil

    [service, *_] = chosen(running, of)
    first = pids_of(running, service)[0]
    try:
        children = psutil.Process(first).children()
        same = [one.pid for one in children if one.cmdline() == psutil.Process(first).cmdline()]
    except psutil.Error:
        return first
    return same[0] if same else first
