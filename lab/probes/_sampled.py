"""What py-spy sees of a live process: where it stands, so many times a second, without its help."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from lab.errors import EnvironmentFailed

RATE = 100  # samples a second: below a percent of one core
_SPARE_S = 20.0  # to attach, and to draw


def command(pid: int | str, form: str, file: str, window_s: float) -> list[str]:
    """As a person would type it."""
    asked = ["-d", str(max(1, round(window_s))), "-r", str(RATE), "-f", form, "-o", file]
    return ["py-spy", "record", "--pid", str(pid), "--full-filenames", *asked]


def recorded(pid: int, form: str, window_s: float) -> str:
    """What ``py-spy record`` writes; whole seconds, at least one. Raises EnvironmentFailed."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "samples"
        words = command(pid, form, str(file), window_s)
        try:
            ran = subprocess.run(
                [_program(), *words[1:]],
                capture_output=True,
                text=True,
                timeout=window_s + _SPARE_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _failed(pid, str(error)) from error
        if ran.returncode or not file.exists():
            said = (ran.stderr or ran.stdout).strip().splitlines()
            # No sample, no file: a process that only waits is no failure.
            if any("No stack counts found" in line for line in said):
                return ""
            raise _failed(pid, "\n".join(said[-3:]))
        return file.read_text(errors="replace")


def _program() -> str:
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("py-spy")
    if found is None:
        raise EnvironmentFailed(
            what="py-spy is not installed",
            where=sys.executable,
            why="it takes the samples, and belongs to the optional part of incident-lab named profile",
            do="pip install 'incident-lab[profile]'; without it: lab probe cpu-profile",
        )
    return found


def _failed(pid: int, why: str) -> EnvironmentFailed:
    return EnvironmentFailed(
        what="py-spy could not look into the process",
        where=f"process {pid}",
        why=why,
        do="it needs the right to trace: the user root, or CAP_SYS_PTRACE; else lab probe cpu-profile",
    )
