"""What this machine is, and whether it has room for a run."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

import psutil

from lab.errors import EnvironmentFailed
from lab.model.report import Machine


def this_machine() -> Machine:
    return Machine(
        cores=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        kernel=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        cpu=_cpu_model(),
    )


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def refuse_without_room(folder: Path, needed_mb: int) -> None:
    """Raise where the disk below ``folder`` cannot hold what the run will write."""
    free_mb = shutil.disk_usage(folder).free // 2**20
    if free_mb < needed_mb:
        raise EnvironmentFailed(
            f"not enough disk: the run needs about {needed_mb} MB",
            where=str(folder),
            why=f"{free_mb} MB are free",
            do="free some space, or point TMPDIR at a larger disk",
        )
