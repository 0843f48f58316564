"""How much CPU time the control groups of a process leave it, and for how long they made it wait."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_MOUNT = Path("/sys/fs/cgroup")


@dataclass(frozen=True, kw_only=True)
class CpuBound:
    """``cores`` is the least that any group above the process leaves it; ``throttled_s`` adds up since it was set."""

    cores: float
    throttled_s: float


def cpu_bound(pid: int, proc: Path = Path("/proc"), mount: Path = _MOUNT) -> CpuBound | None:
    """None where no group bounds the process, or none can be read from here."""
    found = [bound for group in _groups(proc / str(pid) / "cgroup", mount) if (bound := _of(group))]
    return min(found, key=lambda bound: bound.cores, default=None)


def _groups(listed: Path, mount: Path) -> Iterator[Path]:
    """The group of the process that counts its CPU time, and those above it."""
    for line in _text(listed).splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            top = mount / "cpu" if controllers else mount
            home = top / path.lstrip("/")
            yield from (group for group in (home, *home.parents) if group.is_relative_to(top))


def _of(group: Path) -> CpuBound | None:
    quota, period = _quota(group)
    if quota <= 0 or period <= 0:
        return None
    stat = dict(line.split(maxsplit=1) for line in _text(group / "cpu.stat").splitlines() if " " in line)
    return CpuBound(cores=quota / period, throttled_s=_throttled_s(stat))


def _quota(group: Path) -> tuple[float, float]:
    """Microseconds of CPU time in each period of so many microseconds; 0 where there is no bound."""
    if written := _text(group / "cpu.max").split():  # version 2: "max 100000" where there is none
        return (float(written[0]) if written[0] != "max" else 0.0), float(written[1])
    quota, period = (_text(group / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period"))
    return float(quota or 0), float(period or 0)  # version 1: -1 where there is none


def _throttled_s(stat: Mapping[str, str]) -> float:
    if "throttled_usec" in stat:
        return float(stat["throttled_usec"]) / 1e6
    return float(stat.get("throttled_time", 0)) / 1e9


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
