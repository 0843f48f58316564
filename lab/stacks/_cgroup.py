"""CPU time and memory of a container from the kernel's own account: exact, and read in microseconds.

The engine gives the same numbers, but the second time one asks it takes a whole second to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_MOUNT = Path("/sys/fs/cgroup")
NO_LIMIT = 2**62  # what is as large or larger is none; v1 says so with the largest number of pages


def cpu_seconds(pid: int, container_id: str) -> float | None:
    """CPU time of the container whose first process has the number ``pid`` on this machine, since its start.

    None where that cannot be read here: an engine on another machine, in another process namespace, or
    on a kernel without control groups.
    """
    return _first(pid, container_id, _cpu)


def memory_bytes(pid: int, container_id: str) -> int | None:
    """Anonymous memory of the same container now. None where that cannot be read here."""
    return _first(pid, container_id, _memory)


def memory_limit_bytes(pid: int, container_id: str) -> float | None:
    """How much memory the kernel lets the same container have; None without a limit, or where unreadable."""
    return _first(pid, container_id, _memory_limit)


def holds(pid: int, container_id: str) -> bool:
    """Whether a process of this number on this machine is one of that container."""
    return _first(pid, container_id, lambda _controllers, _path: True) or False


def anonymous_bytes(stats: Mapping[str, int]) -> int | None:
    """Anonymous memory in an account of memory, by the names of control groups v2 and v1; None without any."""
    return next((stats[name] for name in ("anon", "total_rss", "rss") if name in stats), None)


def _first(pid: int, container_id: str, account: Callable[[Sequence[str], str], T | None]) -> T | None:
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if container_id in path:  # else the number is somebody else's here
            found = account(controllers.split(","), path.lstrip("/"))
            if found is not None:
                return found
    return None


def _memory(controllers: Sequence[str], path: str) -> int | None:
    if "memory" not in controllers and list(controllers) != [""]:
        return None
    below = _MOUNT / "memory" if "memory" in controllers else _MOUNT
    try:
        words = (below / path / "memory.stat").read_text().split()
    except OSError:
        return None
    return anonymous_bytes(dict(zip(words[::2], map(int, words[1::2]), strict=True)))


def _memory_limit(controllers: Sequence[str], path: str) -> float | None:
    if "memory" in controllers:
        file = _MOUNT / "memory" / path / "memory.limit_in_bytes"
    elif list(controllers) == [""]:
        file = _MOUNT / path / "memory.max"
    else:
        return None
    try:
        limit = float(file.read_text())
    except (OSError, ValueError):  # v2 says "max"
        return None
    return limit if limit < NO_LIMIT else None


def _cpu(controllers: Sequence[str], path: str) -> float | None:
    try:
        if "cpuacct" in controllers:
            return int((_MOUNT / "cpuacct" / path / "cpuacct.usage").read_text()) / 1e9
        if list(controllers) == [""]:
            stat = (_MOUNT / path / "cpu.stat").read_text()
            return int(stat.partition("usage_usec ")[2].split()[0]) / 1e6
    except (OSError, ValueError, IndexError):
        return None
    return None
