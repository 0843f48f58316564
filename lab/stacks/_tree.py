"""A process and all below it: listed, counted, made to stand still and go on."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from lab.reaper.processes import children

_LOOKS, _LOOK_S = 1000, 0.002


def tree(root: int) -> list[int]:
    """A process and all below it, itself first; none where it has ended."""
    try:
        return _listed(root)
    except OSError:  # it has ended, or the kernel does not list children; asking all processes takes longer
        with contextlib.suppress(psutil.NoSuchProcess):
            first = psutil.Process(root)
            return [root, *(child.pid for child in children(first))]
    return []


def _listed(root: int) -> list[int]:
    threads = Path(f"/proc/{root}/task").iterdir()
    own = [(thread / "children").read_text() for thread in threads]
    found = [root]
    for child in " ".join(own).split():
        with contextlib.suppress(OSError):  # it has ended meanwhile
            found += _listed(int(child))
    return found


def each(roots: Iterable[int], act: Callable[[int], None]) -> None:
    """``act`` on every process of these trees, also on those that were started while it went on."""
    roots, seen = list(roots), set[int]()
    while new := [pid for root in roots for pid in tree(root) if pid not in seen]:
        for pid in new:
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                act(pid)
        seen.update(new)


def stand(roots: Iterable[int]) -> None:
    """SIGSTOP, parents first, which can then no longer add children."""
    each(roots, lambda pid: psutil.Process(pid).send_signal(signal.SIGSTOP))


def stand_still(roots: Iterable[int]) -> None:
    """The same, and return when they stand: on a busy machine a process takes its signal when its turn comes."""
    roots, waker = list(roots), threading.Event()
    stand(roots)
    for _ in range(_LOOKS):
        if all(_stands(pid) for root in roots for pid in tree(root)):
            return
        waker.wait(_LOOK_S)


def _stands(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    return True


def go_on(roots: Iterable[int]) -> None:
    """SIGCONT, children first."""
    for pid in [pid for root in roots for pid in tree(root)][::-1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).send_signal(signal.SIGCONT)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and of its children that have ended; 0.0 where it has.

    From the scheduler, to the nanosecond, where it tells; else in steps of 10 ms.
    """
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    own = times.user + times.system  # with threads that have ended, which the scheduler no longer knows
    return float(max(own, _scheduled_s(pid)) + sum(times[2:4]))


def _scheduled_s(pid: int) -> float:
    try:
        threads = Path(f"/proc/{pid}/task").iterdir()
        return sum(int((one / "schedstat").read_text().split()[0]) for one in threads) / 1e9
    except (OSError, IndexError):
        return 0.0


def anonymous_bytes(pid: int) -> int:
    """What the kernel calls RssAnon; elsewhere what nobody shares. 0 where the process has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        status = ""
    found = status.partition("RssAnon:")[2].split(maxsplit=1)
    if found:
        return int(found[0]) * 1024
    try:
        return int(psutil.Process(pid).memory_full_info().uss)
    except psutil.Error:
        return 0


def data_limit(pid: int) -> float | None:
    """RLIMIT_DATA as the kernel holds it, in bytes; None without one, or where the process has ended."""
    try:
        limits = Path(f"/proc/{pid}/limits").read_text()
    except OSError:
        return None
    soft = limits.partition("Max data size")[2].split(maxsplit=1)[:1]
    return None if soft in ([], ["unlimited"]) else float(soft[0])
