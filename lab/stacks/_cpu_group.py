"""A control group that bounds the CPU time of processes of this machine, where one may be made here."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from lab.stacks._tree import each

_MOUNT = Path("/sys/fs/cgroup")
_PERIOD_US = 20_000  # a short one: of 100 ms, the usual, a service would be gone for 80 at a time
_WEIGHTS = {"cpu.weight.nice": 5, "cpu.shares": 335}  # v2 and v1: a group of its own loses its niceness


class CpuGroup:
    """A new group below the lab's own, or below the nearest one above that may have children."""

    by: ClassVar[str] = "control group"

    def __init__(self, folder: Path, home: Path) -> None:
        self._folder, self._home = folder, home

    @classmethod
    def made(cls, cores: float, own: Callable[[Mapping[str, Any]], None]) -> CpuGroup | None:
        """None where no such group can be made: no control groups, or none that is delegated to us."""
        for home, parent in _places():
            folder = parent / f"incident-lab-{secrets.token_hex(4)}"
            own({"cgroup": str(folder)})
            group = cls(folder, home)
            try:
                folder.mkdir()
                group._bound(cores)
                group._try_out()
                return group
            except OSError:
                group.close()
        return None

    def _bound(self, cores: float) -> None:
        quota = round(cores * _PERIOD_US)
        if (self._folder / "cpu.max").exists():
            (self._folder / "cpu.max").write_text(f"{quota} {_PERIOD_US}")
        else:
            (self._folder / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            (self._folder / "cpu.cfs_quota_us").write_text(str(quota))
        for name, weight in _WEIGHTS.items():
            if (self._folder / name).exists():
                with contextlib.suppress(OSError):
                    (self._folder / name).write_text(str(weight))

    def _try_out(self) -> None:
        """Whether processes may be moved out and in: with the lab's own, and none of those below it."""
        _move(os.getpid(), self._home)  # changes nothing; were it refused, there would be no way back
        _move(os.getpid(), self._folder)
        self._empty()

    def take(self, root: int) -> None:
        """Move a process and all below it in; their children are born there."""
        each([root], lambda pid: _move(pid, self._folder))

    def hold(self) -> None:
        """Nothing: the kernel lets what stands still stand."""

    def let_go(self) -> None: ...

    def close(self) -> None:
        """Move everything back to where the lab is, remove the group."""
        with contextlib.suppress(FileNotFoundError):
            self._empty()
            self._folder.rmdir()

    def _empty(self) -> None:
        """Move everything back, also what was forked meanwhile."""
        while pids := (self._folder / "cgroup.procs").read_text().split():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    _move(int(pid), self._home)


def _move(pid: int, group: Path) -> None:
    (group / "cgroup.procs").write_text(str(pid))


def _places() -> Iterator[tuple[Path, Path]]:
    """The lab's own group with each one in which a group that bounds the CPU could be made, nearest first."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if "cpu" not in controllers.split(",") and controllers:
            continue
        top = _MOUNT / "cpu" if controllers else _MOUNT
        home = top / path.lstrip("/")
        for parent in (home, *home.parents):
            if parent.is_relative_to(top) and _may_have_children(parent, v2=not controllers):
                yield home, parent


def _may_have_children(group: Path, *, v2: bool) -> bool:
    if not os.access(group, os.W_OK):
        return False
    if not v2:
        return (group / "cgroup.procs").exists()
    with contextlib.suppress(OSError):
        return "cpu" in (group / "cgroup.subtree_control").read_text().split()
    return False
