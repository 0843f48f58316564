"""Programs for ``Running.beside``, in what every image has: sh and coreutils. And what they take, measured."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable

import psutil

from lab.model.stack import Running, ServiceName

_BURN = "while :; do :; done"
_WINDOW_S = 0.9
_EVERY_MS = 100


def burners(workers: int, share: float = 1.0) -> tuple[str, ...]:
    """A command with ``workers`` loops, each busy for ``share`` of every 100 ms."""
    busy_s = share * _EVERY_MS / 1e3
    idle_s = _EVERY_MS / 1e3 - busy_s
    turns = f"while kill -CONT $loop; do sleep {busy_s:g}; kill -STOP $loop; sleep {idle_s:g}; done"
    some = f"({_BURN}) & loop=$!; {turns}"
    return ("sh", "-c", f"({_BURN if share >= 1 else some}) & " * workers + "wait")


def holder(size: float) -> tuple[str, ...]:
    """A command that holds ``size`` bytes: tail keeps the end of what it reads until that ends."""
    return ("sh", "-c", f"{{ head -c {size:.0f} /dev/zero; sleep 1000000000; }} | tail -c {size:.0f}")


def memory_of(running: Running, service: ServiceName) -> tuple[float, float]:
    """Bytes that can be had without swapping, and all there are, of the machine where the service runs."""
    told = running.run(service, "sh", "-c", "cat /proc/meminfo 2>/dev/null || true").split()
    known = dict(itertools.pairwise(told))
    if "MemAvailable:" in known:
        return int(known["MemAvailable:"]) * 1024.0, int(known["MemTotal:"]) * 1024.0
    memory = psutil.virtual_memory()  # only Linux has that file; elsewhere the service runs on this machine
    return float(memory.available), float(memory.total)


def cores_of(running: Running, service: ServiceName) -> int:
    """How many cores the service may run on at all."""
    return int(running.run(service, "sh", "-c", "nproc 2>/dev/null || getconf _NPROCESSORS_ONLN"))


def cores_used(seconds: Callable[[], float]) -> float:
    """CPU seconds per second, over a window of 0.9 s."""
    at, before = time.monotonic(), seconds()
    threading.Event().wait(_WINDOW_S)
    return (seconds() - before) / (time.monotonic() - at)


def cpu_seconds(running: Running, service: ServiceName) -> float:
    """Of all that runs beside the service, with what has ended below it."""
    return sum(map(_cpu_of, running.pids(service, beside=True)))


def private_bytes(running: Running, service: ServiceName) -> int:
    """Memory that is shared with no file and no other process, of all that runs beside the service."""
    return sum(map(_private_of, running.pids(service, beside=True)))


def _cpu_of(pid: int) -> float:
    with contextlib.suppress(psutil.Error):
        return float(sum(psutil.Process(pid).cpu_times()[:4]))
    return 0.0


def _private_of(pid: int) -> int:
    with contextlib.suppress(psutil.Error):
        memory = psutil.Process(pid).memory_info()
        return int(memory.rss - getattr(memory, "shared", 0))  # on Linux: RssAnon
    return 0
