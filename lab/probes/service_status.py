"""Which services are up, since when, and under which process."""

from __future__ import annotations

from datetime import datetime
from time import time
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Evidence, Running
from lab.probes import _asking

_HEAD = ("service", "state", "address", "pid", "processes", "up since", "for s")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ServiceStatus:
    """A row for each service. One that was started anew shows a younger age than those beside it."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def capture(self, running: Running) -> Evidence:
        """An aligned table, with the last line of its log below for each that is down."""
        rows = [_row(running, service) for service in running.services]
        down = [service for service in running.services if not running.alive(service)]
        last = [f"{service}: {running.logs(service, 1) or 'nothing logged'}" for service in down]
        return Evidence(
            title="Services",
            command="systemctl status " + " ".join(running.services),
            text="\n".join([_asking.table(_HEAD, rows), *last]),
            kind="service-status",
        )


def _row(running: Running, service: str) -> list[object]:
    host, port = running.address(service)
    address = f"{host}:{port}"
    if not running.alive(service):
        return [service, "down", address, None, None, None, None]
    pids = running.pids(service)
    if not pids:
        return [service, "up", address, "out of sight", None, None, None]
    began = _began(pids[0])
    since = None if began is None else datetime.fromtimestamp(began).strftime("%Y-%m-%d %H:%M:%S")
    return [
        service,
        "up",
        address,
        str(pids[0]),
        len(pids),
        since,
        None if began is None else round(time() - began),
    ]


def _began(pid: int) -> float | None:
    import psutil

    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None
