"""TCP connections of a service: to whom, in which state, and how many."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Evidence, Running
from lab.probes import _asking, _sockets
from lab.probes._processes import Several, chosen, pids_of
from lab.probes._window import Lines

_HEAD = ("count", "state", "with", "bytes not read")

_WELL_KNOWN = {5432: "postgres", 6379: "redis"}  # where containers see each other


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class TcpConnections:
    """Those of the service ``of`` (all instances of the app without it), counted by state and peer."""

    of: Several = None
    top: Lines = 20

    needs: ClassVar[frozenset[str]] = frozenset()

    def capture(self, running: Running) -> Evidence:
        """An aligned table with their number below it. Raises EnvironmentFailed."""
        pids = [pid for service in chosen(running, self.of) for pid in pids_of(running, service)]
        names = _names(running)
        held = _sockets.of(pids)
        rows = grouped(held, names)
        connections = sum(one.state != "LISTEN" for one in held)
        return Evidence(
            title="TCP connections",
            command=f"ss -tanp | grep -E 'pid=({'|'.join(map(str, pids))}),'",
            text=f"{_asking.table(_HEAD, rows[: self.top])}\n{connections} connections",
            kind="tcp-connections",
        )


def grouped(sockets: list[_sockets.Socket], names: dict[int, str]) -> list[tuple[int, str, str, int]]:
    """How many of each state are with each peer, the most first. ``names`` are services by port; a connection
    that came in to a port that is listened on is with clients."""
    listening = {_port(one.local) for one in sockets if one.state == "LISTEN"}
    counts: Counter[tuple[str, str]] = Counter()
    waiting: Counter[tuple[str, str]] = Counter()
    for one in sockets:
        if one.state != "LISTEN":
            own, theirs = _port(one.local), _port(one.remote)
            peer = f"clients of port {own}" if own in listening else names.get(theirs, one.remote)
            counts[one.state, peer] += 1
            waiting[one.state, peer] += one.waiting
    return [(n, *key, waiting[key]) for key, n in counts.most_common()]


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _names(running: Running) -> dict[int, str]:
    return {**_WELL_KNOWN, **{running.address(service)[1]: service for service in running.services}}
