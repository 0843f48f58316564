"""Two loads on the same cores falsify each other: one run measures at a time on one machine."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lab.errors import EnvironmentFailed, Exit
from lab.runner.clock import MonotonicClock, wait_for

PATIENCE_S = 3600.0


def _lock_file() -> IO[str]:
    path = Path(tempfile.gettempdir()) / "incident-lab-measuring.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    return os.fdopen(descriptor, "w")


def _try(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def measuring(note: Callable[[str], None], *, wait: bool = True) -> Iterator[None]:
    """Hold this machine's measuring lock. With ``wait=False`` a second run is refused instead."""
    with _lock_file() as file:
        if not _try(file):
            if not wait:
                raise EnvironmentFailed(
                    "another run is measuring on this machine",
                    why="two loads on the same cores falsify each other",
                    do="wait for it, or leave out --no-wait",
                    exit=Exit.VOID,
                )
            note("another run is measuring on this machine: waiting for it to finish")
            if not wait_for(lambda: _try(file), MonotonicClock(), PATIENCE_S, every_s=0.5):
                raise EnvironmentFailed(
                    "another run has been measuring for an hour",
                    why="this machine's measuring lock is still held",
                    do="look for it with 'lab clean --dry-run'",
                )
        yield
