"""The machine: load, memory, swap and room on its disks."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Evidence, Running
from lab.probes import _asking

_HEAD = ("", "total GB", "used GB", "free GB", "used %")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Host:
    """Of the machine on which lab runs, which is that of its stacks; ``paths`` name the file systems to show."""

    paths: tuple[str, ...] = ("/", "/tmp")

    needs: ClassVar[frozenset[str]] = frozenset()

    def capture(self, running: Running) -> Evidence:
        """An aligned table below the load averages."""
        import psutil

        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        rows = [_row("memory", memory.total, memory.total - memory.available, memory.available)]
        rows.append(_row("swap", swap.total, swap.used, swap.free))
        for path in self.paths:
            if Path(path).exists():
                disk = psutil.disk_usage(path)
                rows.append(_row(f"disk {path}", disk.total, disk.used, disk.free))
        load = ", ".join(f"{n:.2f}" for n in psutil.getloadavg())
        return Evidence(
            title="The machine",
            command=f"uptime; free -m; df -h {' '.join(self.paths)}",
            text=f"load average: {load} on {psutil.cpu_count()} cores\n{_asking.table(_HEAD, rows)}",
            kind="host",
        )


def _row(name: str, total: float, used: float, free: float) -> tuple[str, float, float, float, float]:
    share = used / total * 100 if total else 0.0
    return name, total / 1e9, used / 1e9, free / 1e9, share
