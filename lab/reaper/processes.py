"""Ending processes for good: frozen ones, whole trees, and without being fooled by zombies."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterable, Sequence

import psutil

ASKED_S = 1.5  # how long a process may take to end by itself before it is killed
KILLED_S = 5.0


def children(process: psutil.Process) -> list[psutil.Process]:
    """All processes below ``process``, none where it has ended."""
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def leader_of(process: psutil.Process) -> int | None:
    """The number of its process group, None where it has ended."""
    try:
        return os.getpgid(process.pid)
    except OSError:
        return None


def members_of(group: int) -> list[psutil.Process]:
    """All processes of a process group, though its leader has ended."""
    return [process for process in psutil.process_iter() if leader_of(process) == group]


def end_processes(
    tree: Sequence[psutil.Process], *, ask: str | None = None, asked_s: float = ASKED_S
) -> None:
    """End processes, frozen ones too; returns when they are gone.

    ``ask`` is the name of a signal that the first one gets before all are killed. Raises TimeoutError.
    """
    if ask is not None:
        _send(tree[:1], signal.Signals[ask])
        _send(tree, signal.SIGCONT)  # a stopped process takes no other signal
        if not _gone(tree, asked_s):
            tree = [*tree, *(child for process in tree for child in children(process))]
    _send(tree, signal.SIGKILL)
    if not _gone(tree, KILLED_S):
        raise TimeoutError("still there after SIGKILL")


def _send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _gone(processes: Sequence[psutil.Process], within_s: float) -> bool:
    """Whether all have ended in time. A zombie has: whoever started it has not looked yet, that is all."""
    waker = threading.Event()
    for _ in range(max(1, round(within_s / 0.01))):
        processes = [process for process in processes if _living(process)]
        if not processes:
            return True
        waker.wait(0.01)
    return False


def _living(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
