"""The CPU limit of a process, from control groups of both versions, and where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from lab.probes._cpu_bound import CpuBound, cpu_bound

V1 = "3:cpuset:/\n2:cpu,cpuacct:/shop/app-2\n1:memory:/elsewhere\n"
V2 = "0::/shop/app-2\n"


def bound(folder: Path, groups: str, files: Mapping[str, str]) -> CpuBound | None:
    for name, text in {"proc/7/cgroup": groups, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return cpu_bound(7, folder / "proc", folder / "sys")


def test_version_2(tmp_path: Path) -> None:
    files = {
        "sys/shop/app-2/cpu.max": "1400 20000\n",
        "sys/shop/app-2/cpu.stat": "usage_usec 9\nnr_throttled 3\nthrottled_usec 2500000\n",
    }
    assert bound(tmp_path, V2, files) == CpuBound(cores=0.07, throttled_s=2.5)


def test_version_1(tmp_path: Path) -> None:
    files = {
        "sys/cpu/shop/app-2/cpu.cfs_quota_us": "1400\n",
        "sys/cpu/shop/app-2/cpu.cfs_period_us": "20000\n",
        "sys/cpu/shop/app-2/cpu.stat": "nr_periods 5\nthrottled_time 2500000000\n",
    }
    assert bound(tmp_path, V1, files) == CpuBound(cores=0.07, throttled_s=2.5)


def test_the_narrowest_of_the_groups_above_counts(tmp_path: Path) -> None:
    files = {
        "sys/shop/app-2/cpu.max": "max 100000",
        "sys/shop/cpu.max": "150000 100000",
        "sys/cpu.max": "4 1",
    }
    found = bound(tmp_path, V2, files)
    assert found is not None
    assert found.cores == 1.5


@pytest.mark.parametrize(
    ("groups", "files"),
    [
        (V2, {"sys/shop/app-2/cpu.max": "max 100000"}),
        (V1, {"sys/cpu/shop/app-2/cpu.cfs_quota_us": "-1", "sys/cpu/shop/app-2/cpu.cfs_period_us": "100000"}),
        (V2, {}),
        ("", {}),
    ],
)
def test_there_may_be_none(groups: str, files: Mapping[str, str], tmp_path: Path) -> None:
    assert bound(tmp_path, groups, files) is None
    assert cpu_bound(8, tmp_path / "proc", tmp_path / "sys") is None  # nor of a process that is gone
