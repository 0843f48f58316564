"""CPU, memory and threads of each process of a service, as the operating system counts them."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Evidence, Running
from lab.probes import _asking
from lab.probes._cpu_bound import CpuBound, cpu_bound
from lab.probes._processes import Several, chosen, pids_of
from lab.probes._window import Window, shortened

if TYPE_CHECKING:
    import psutil

_Row = tuple[str, str, float, str, str, float, float, int, str, str]
_HEAD = (
    "service", "pid", "CPU %", "CPU limit %", "throttled %", "resident MB", "virtual MB", "threads", "state", "command"
)  # fmt: skip


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Process:
    """Each process of the service ``of`` (all instances of the app without it); CPU over the window, 100 is a core.

    ``CPU limit`` is that of its control group, ``throttled`` the share of the window in which the limit made it wait.
    """

    of: Several = None
    window: Window = 0.5

    needs: ClassVar[frozenset[str]] = frozenset()

    def capture(self, running: Running) -> Evidence:
        """An aligned table. Raises EnvironmentFailed where the service is down or out of sight."""
        import psutil

        found = [
            (service, psutil.Process(pid))
            for service in chosen(running, self.of)
            for pid in pids_of(running, service)
            if psutil.pid_exists(pid)
        ]
        rows = _rows(found, self.window)
        return Evidence(
            title="Processes",
            command=f"ps -o pid,%cpu,rss,vsz,nlwp,stat,args -p {','.join(row[1] for row in rows)}",
            text=_asking.table(_HEAD, rows),
            kind="process",
        )


def _rows(found: list[tuple[str, psutil.Process]], window_s: float) -> list[_Row]:
    import psutil

    for _, process in found:
        with contextlib.suppress(psutil.Error):
            process.cpu_percent()
    before = {process.pid: cpu_bound(process.pid) for _, process in found}
    begun = time.monotonic()
    time.sleep(window_s)
    rows: list[_Row] = []
    for service, process in found:
        with contextlib.suppress(psutil.Error), process.oneshot():
            memory, words = process.memory_info(), process.cmdline() or [process.name()]
            bound = _bound(before[process.pid], cpu_bound(process.pid), time.monotonic() - begun)
            used = process.cpu_percent(), *bound, memory.rss / 1e6, memory.vms / 1e6, process.num_threads()
            rows.append((service, str(process.pid), *used, process.status(), shortened(" ".join(words), 60)))
    return rows


def _bound(before: CpuBound | None, now: CpuBound | None, window_s: float) -> tuple[str, str]:
    if before is None or now is None:
        return "none", ""
    waited = max(0.0, now.throttled_s - before.throttled_s) / window_s
    return f"{now.cores:.0%}".rstrip("%"), f"{min(1.0, waited):.0%}".rstrip("%")
