"""Who reads from and writes to the disk, and how much of it a second."""

from __future__ import annotations

import contextlib
import time
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.model.stack import Evidence, Running
from lab.probes import _asking
from lab.probes._window import Window

_HEAD = ("who", "read MB/s", "written MB/s")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class DiskIo:
    """MB a second of each service and of all disks of the machine, over the window. A service's writes are what it
    gave to the kernel; they reach the disk later, or never."""

    window: Window = 1.0

    needs: ClassVar[frozenset[str]] = frozenset()

    def capture(self, running: Running) -> Evidence:
        """An aligned table. Raises EnvironmentFailed where this system does not count for each process."""
        before = _read(running)
        began = time.monotonic()
        time.sleep(self.window)
        after, passed_s = _read(running), time.monotonic() - began
        rows: list[tuple[str, float | None, float | None]] = []
        for who, now in after.items():
            # Processes that ended meanwhile take their counts along.
            moved = [
                max(0, new - old) / 1e6 / passed_s for new, old in zip(now, before.get(who, now), strict=True)
            ]
            rows.append((who, moved[0], moved[1]))
        return Evidence(
            title="Disk I/O", command="iotop -b -o -n 2", text=_asking.table(_HEAD, rows), kind="disk-io"
        )


def _read(running: Running) -> dict[str, tuple[int, int]]:
    """Bytes read and written so far."""
    import psutil

    found = {service: _of(running, service) for service in running.services}
    disks = psutil.disk_io_counters()
    if disks is not None:
        found["all disks"] = (disks.read_bytes, disks.write_bytes)
    return found


def _of(running: Running, service: str) -> tuple[int, int]:
    import psutil

    read = written = 0
    for pid in running.pids(service):
        with contextlib.suppress(psutil.NoSuchProcess):
            try:
                counts = psutil.Process(pid).io_counters()
            except (psutil.AccessDenied, AttributeError) as error:
                raise _untold(service, pid) from error
            read, written = read + counts.read_bytes, written + counts.write_bytes
    return read, written


def _untold(service: str, pid: int) -> EnvironmentFailed:
    return EnvironmentFailed(
        what=f"the disk I/O of {service} may not be seen",
        where=f"process {pid}",
        why="it belongs to another user, or this system does not count it for each process",
        do="look as that user, or as root, on Linux",
    )
