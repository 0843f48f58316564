"""How the processes of this machine are bounded: by control groups, by stop and go, by resource limits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from arm_at_work import sql, until
from test_process_faults import bites, in_the_end

from lab.faults._service import answers
from lab.faults.cpu_limit import CpuLimit
from lab.faults.cpu_stress import CpuStress
from lab.faults.memory_limit import MemoryLimit
from lab.faults.pause import Pause
from lab.model.stack import Running, ServiceName
from lab.probes._cpu_bound import cpu_bound
from lab.reaper import reap, remaining
from lab.stacks._cpu_group import CpuGroup
from lab.stacks._stop_and_go import _cycle
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


def bounded(pid: int) -> tuple[float, float]:
    """Cores and seconds throttled; where nothing bounds the process, every core and none."""
    found = cpu_bound(pid)
    return (found.cores, found.throttled_s) if found else (float(os.cpu_count() or 1), 0.0)


def test_processes_are_shown_with_the_limit_that_holds_them_up() -> None:
    group = CpuGroup.made(0.1, lambda _owned: None)
    if group is None:
        pytest.skip("no control group can be made here")
    with psutil.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            assert bounded(busy.pid)[0] > 0.1
            group.take(busy.pid)
            until(lambda: str(bounded(busy.pid)[1] > 0.1), lambda said: said == "True")
            assert bounded(busy.pid)[0] == pytest.approx(0.1)
        finally:
            busy.kill()
            busy.wait()
            group.close()


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


def test_only_the_lab_itself_tries_out_a_group() -> None:
    beside = psutil.Popen(["sleep", "1000"])
    stands = Path(f"/proc/{beside.pid}/cgroup").read_text()
    try:
        group = CpuGroup.made(0.5, lambda _owned: None)
        if group is None:
            pytest.skip("no control group can be made here")
        try:
            assert Path(f"/proc/{beside.pid}/cgroup").read_text() == stands
            assert "incident-lab" not in Path("/proc/self/cgroup").read_text()
        finally:
            group.close()
    finally:
        beside.kill()
        beside.wait()


def test_a_process_that_only_has_the_number_is_not_stopped() -> None:
    other = psutil.Popen(["sleep", "1000"])
    known, over = psutil.Process(other.pid), threading.Event()
    known._ident = (other.pid, 1.0)  # of one that was started long before and has ended
    roots, seen = [known], set[str]()
    cycle = threading.Thread(target=_cycle, args=(0.05, roots, over))
    cycle.start()
    try:
        for _ in range(200):
            seen.add(other.status())
            over.wait(0.001)
        assert psutil.STATUS_STOPPED not in seen and roots == []
    finally:
        over.set()
        cycle.join()
        other.kill()
        other.wait()


def test_what_is_paused_stays_so_when_its_cpu_time_is_bounded(by: str, arm: Running) -> None:
    arm.pause("redis")
    try:
        with CpuLimit(service="redis").inject(arm) as done:
            assert done["by"] == by and not answers(arm, "redis", 0.3)
    finally:
        arm.resume("redis")


def test_a_service_started_anew_while_it_is_paused_is_bounded(by: str, arm: Running) -> None:
    fault = CpuLimit(service="redis", cores=0.2)
    with fault.inject(arm) as done:
        arm.pause("redis")
        arm.restart("redis")
        assert done["by"] == by and in_the_end(lambda: bites(fault, arm)), fault.dose(arm)


def test_what_runs_beside_a_service_ends_though_its_leader_has(arm: Running) -> None:
    with CpuStress(service="redis", workers=2).inject(arm):
        until(lambda: str(len(arm.pids("redis", beside=True))), lambda said: int(said) >= 4)
        leader, *others = (psutil.Process(pid) for pid in arm.pids("redis", beside=True))
        leader.kill()
        until(lambda: leader.status(), lambda status: status == psutil.STATUS_ZOMBIE)
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in others)


def test_what_could_not_be_owned_does_not_stay(arm: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    pids = list[int]()

    def full(resource: Mapping[str, Any]) -> None:
        pids.append(resource["process_group"])
        raise OSError("no space left")

    monkeypatch.setattr(arm._services["redis"], "own", full)  # type: ignore[attr-defined]
    with pytest.raises(OSError, match="no space left"), arm.beside("redis", "sleep", "1000"):
        pytest.fail("it went on")
    assert arm.pids("redis", beside=True) == () and not psutil.pid_exists(pids[0])


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


def test_whoever_removes_a_control_group_does_not_end_himself() -> None:
    owned: list[Any] = []
    group = CpuGroup.made(0.5, owned.append)
    if group is None:
        pytest.skip("no control group can be made here")
    reap_it = "sys.stdin.readline(); reap([{'cgroup': sys.argv[1]}], report=print)"
    script = f"import sys; from lab.reaper import reap; {reap_it}"
    command = [sys.executable, "-c", script, owned[-1]["cgroup"]]
    with psutil.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as remover:
        group.take(remover.pid)
        said, _ = remover.communicate("go\n")
    assert remover.returncode == 0 and "removed control group" in said
    assert remaining(owned) == []


def test_a_machine_without_a_way_to_bound_memory_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any(map(Embedded().lacks, Embedded.offers))
    monkeypatch.setenv("PATH", "")
    lacking = {need: Embedded().lacks(need) for need in Embedded.offers if Embedded().lacks(need)}
    assert list(lacking) == ["memory-limit"] and "--stack containers" in lacking["memory-limit"]
