"""The kernel's account of a container, in both of its forms, and where it cannot be had."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lab.stacks import _cgroup
from lab.stacks._container import Service

ID = "c0ffee"
MEGABYTE = 1_000_000


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree in the place of the machine's: ``proc/PID/cgroup`` and the mounted groups."""

    def below(path: str) -> Path:
        return Path(str(tmp_path) + path) if path.startswith("/proc") else tmp_path / path

    monkeypatch.setattr(_cgroup, "Path", below)
    monkeypatch.setattr(_cgroup, "_MOUNT", tmp_path)
    (tmp_path / "proc" / "7").mkdir(parents=True)
    return tmp_path


def group(machine: Path, lines: str, file: str, content: str) -> None:
    (machine / "proc" / "7" / "cgroup").write_text(lines)
    (machine / file).parent.mkdir(parents=True)
    (machine / file).write_text(content)


def test_one_tree_for_all(machine: Path) -> None:
    stat = f"anon {3 * MEGABYTE}\nfile 9\nanon_thp 5\n"
    group(machine, f"0::/docker/{ID}\n", f"docker/{ID}/memory.stat", stat)
    assert _cgroup.memory_bytes(7, ID) == 3 * MEGABYTE
    (machine / "docker" / ID / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\n")
    assert _cgroup.cpu_seconds(7, ID) == 2.5


def test_a_tree_for_each_resource(machine: Path) -> None:
    lines = f"9:memory:/docker/{ID}\n4:cpu,cpuacct:/docker/{ID}\n0::/\n"
    stat = f"cache 1\nrss {MEGABYTE}\ntotal_cache 5\ntotal_rss {2 * MEGABYTE}\n"
    group(machine, lines, f"memory/docker/{ID}/memory.stat", stat)
    assert _cgroup.memory_bytes(7, ID) == 2 * MEGABYTE
    assert _cgroup.cpu_seconds(7, ID) is None
    (machine / "cpuacct" / "docker" / ID).mkdir(parents=True)
    (machine / "cpuacct" / "docker" / ID / "cpuacct.usage").write_text("1500000000\n")
    assert _cgroup.cpu_seconds(7, ID) == 1.5


@pytest.mark.parametrize("lines", ["9:memory:/docker/another\n", f"3:cpuset:/docker/{ID}\n", ""])
def test_the_group_of_somebody_else_is_not_read(machine: Path, lines: str) -> None:
    group(machine, lines, f"memory/docker/{ID}/memory.stat", "total_rss 5\n")
    assert _cgroup.memory_bytes(7, ID) is None
    assert _cgroup.memory_bytes(8, ID) is None


def test_an_account_says_what_nobody_shares_by_the_name_that_it_has_there() -> None:
    assert _cgroup.anonymous_bytes({"anon": 5, "file": 9}) == 5
    assert _cgroup.anonymous_bytes({"rss": 3, "total_rss": 4, "cache": 9}) == 4
    assert _cgroup.anonymous_bytes({"rss": 3}) == 3
    assert _cgroup.anonymous_bytes({}) is None


class Engine:
    """What the engine's library gives for a container: its state, and an account on request."""

    id = ID

    def __init__(self, status: str, **account: Any) -> None:
        self.status, self.account, self.asked = status, account, 0
        self.attrs = {"State": {"Pid": 7}}

    def reload(self) -> None: ...

    def stats(self, *, stream: bool, one_shot: bool) -> Mapping[str, Any]:
        assert one_shot and not stream
        self.asked += 1
        return {"memory_stats": self.account}


def service(engine: Engine) -> Service:
    made = type("Made", (), {"get_wrapped_container": lambda self: engine})()
    return Service(service="app", made=made, log=Path("app.log"))


def test_the_memory_of_a_container_is_what_the_kernel_says(machine: Path) -> None:
    group(machine, f"0::/docker/{ID}\n", f"docker/{ID}/memory.stat", f"anon {3 * MEGABYTE}\n")
    engine = Engine("running", stats={"anon": 9 * MEGABYTE})
    assert service(engine).memory_mb() == 3.0
    assert engine.asked == 0


@pytest.mark.parametrize(
    ("account", "megabytes"), [({"stats": {"total_rss": 4 * MEGABYTE}}, 4.0), ({"usage": 5}, 0.0), ({}, 0.0)]
)
def test_the_memory_of_a_container_elsewhere_is_what_the_engine_says(
    machine: Path, account: Mapping[str, Any], megabytes: float
) -> None:
    assert service(Engine("paused", **account)).memory_mb() == megabytes


def test_a_container_that_is_down_holds_nothing(machine: Path) -> None:
    engine = Engine("exited", stats={"anon": MEGABYTE})
    assert (service(engine).memory_mb(), engine.asked) == (0.0, 0)
