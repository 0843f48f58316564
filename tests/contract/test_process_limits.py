"""How the processes of this machine are bounded: by control groups, by stop and go, by resource limits."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from arm_at_work import sql
from test_process_faults import bites, in_the_end

from lab.faults.cpu_limit import CpuLimit
from lab.faults.memory_limit import MemoryLimit
from lab.faults.pause import Pause
from lab.model.stack import Running, ServiceName
from lab.reaper import reap, remaining
from lab.stacks._cpu_group import CpuGroup
from lab.stacks.embedded import Embedded


def refused_memory(arm: Running) -> bool:
    with psycopg.connect(arm.dsn) as database:
        try:
            database.execute("SELECT length(repeat('x', 400000000) || repeat('y', 1))")
        except psycopg.errors.OutOfMemory:
            return True
    return False


@pytest.fixture(params=["control group", "stop and go, 20 ms"])
def by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way of bounding CPU time that works here."""
    owned: list[Any] = []
    if request.param == "control group":
        group = CpuGroup.made(0.5, owned.append)
        if group is None:
            pytest.skip("no control group can be made here")
        group.close()
        assert remaining(owned) == []
    else:
        monkeypatch.setattr(CpuGroup, "made", lambda _cores, _own: None)
    return str(request.param)


@pytest.mark.parametrize("service", ["redis", "postgres"])
def test_cpu_time_is_bounded_either_way(service: ServiceName, by: str, arm: Running) -> None:
    fault = CpuLimit(service=service, cores=0.2)
    with fault.inject(arm) as done:
        assert done == {"cores": 0.2, "by": by}
        assert in_the_end(lambda: bites(fault, arm)), fault.dose(arm)
        arm.restart(service)
        assert in_the_end(lambda: bites(fault, arm)), fault.dose(arm)
        with Pause(service=service).inject(arm):
            assert bites(Pause(service=service), arm)
        assert not bites(Pause(service=service), arm)
    assert in_the_end(lambda: not bites(fault, arm))


def test_nobody_stands_still_when_the_one_who_stops_and_goes_was_killed(
    arm: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CpuGroup, "made", lambda _cores, _own: None)
    with CpuLimit(service="postgres", cores=0.05).inject(arm):
        (cycler,) = (p for p in psutil.Process().children() if "lab.stacks._stop_and_go" in p.cmdline())
        os.kill(cycler.pid, signal.SIGKILL)
        arm.pause("postgres")
    try:
        assert {psutil.Process(pid).status() for pid in arm.pids("postgres")} == {psutil.STATUS_STOPPED}
    finally:
        arm.resume("postgres")
    assert psutil.STATUS_STOPPED not in {psutil.Process(pid).status() for pid in arm.pids("postgres")}


def test_all_of_a_tree_stand_still_also_those_that_it_has_just_forked(arm: Running) -> None:
    with ExitStack() as clients:
        arrive: Callable[[], Any] = lambda: clients.enter_context(psycopg.connect(arm.dsn))  # noqa: E731
        for _ in range(10):
            arrive()
        with Pause(service="postgres").inject(arm):
            status = {psutil.Process(pid).status() for pid in arm.pids("postgres")}
            assert len(arm.pids("postgres")) > 15 and status == {psutil.STATUS_STOPPED}


def test_more_memory_than_the_limit_is_refused(arm: Running) -> None:
    assert not refused_memory(arm)
    with MemoryLimit(service="postgres").inject(arm):
        assert refused_memory(arm)
        assert sql(arm, "SELECT 1") == [(1,)]
    assert not refused_memory(arm)


def test_the_reaper_removes_a_control_group_with_what_is_in_it() -> None:
    owned: list[Any] = []
    group = CpuGroup.made(0.5, owned.append)
    if group is None:
        pytest.skip("no control group can be made here")
    process = psutil.Popen(["sleep", "1000"])
    group.take(process.pid)
    assert len(remaining(owned)) == 1
    assert any("control group" in line for line in reap(owned, report=print))
    assert process.wait(5) == -signal.SIGKILL
    assert remaining(owned) == [] and not Path(owned[-1]["cgroup"]).exists()


def test_a_machine_without_a_way_to_bound_memory_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any(map(Embedded().lacks, Embedded.offers))
    monkeypatch.setenv("PATH", "")
    lacking = {need: Embedded().lacks(need) for need in Embedded.offers if Embedded().lacks(need)}
    assert list(lacking) == ["memory-limit"] and "--stack containers" in lacking["memory-limit"]
