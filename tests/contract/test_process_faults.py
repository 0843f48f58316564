"""What is done to the processes of a service: it bites, it heals, and nobody is left standing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from arm_at_work import until
from pydantic import TypeAdapter, ValidationError
from redis import Redis

from lab.errors import EnvironmentFailed
from lab.faults._service import answers
from lab.faults.cpu_limit import CpuLimit
from lab.faults.cpu_stress import CpuStress
from lab.faults.disk_fill import DiskFill
from lab.faults.kill import Kill
from lab.faults.memory_limit import MemoryLimit
from lab.faults.memory_stress import MemoryStress
from lab.faults.pause import Pause
from lab.faults.restart import Restart
from lab.faults.stop import Stop
from lab.model.dose import Dose
from lab.model.stack import Running, ServiceName

EXAMPLES: dict[type, Any] = {
    type(example): example
    for example in (
        Kill(service="redis"),
        Stop(service="postgres"),
        Pause(service="redis"),
        Restart(service="redis"),
        CpuLimit(service="redis", cores=0.2),
        MemoryLimit(service="postgres"),
        CpuStress(service="redis", workers=1, share="20%"),
        MemoryStress(service="redis", bytes="60MB"),
        DiskFill(service="redis", bytes="20MB"),
    )
}
every_fault = pytest.mark.parametrize("fault", EXAMPLES.values(), ids=lambda one: type(one).__name__)


def bites(fault: Any, arm: Running) -> bool:
    doses: tuple[Dose, ...] = fault.dose(arm)
    return bool(doses) and all(dose.bit for dose in doses)


def in_the_end(holds: Callable[[], bool]) -> bool:
    """What is measured in CPU time may be wrong once, while another program wants the cores."""
    return any(holds() for _ in range(5))


@pytest.fixture(autouse=True)
def nothing_stays(arm: Running) -> Iterator[None]:
    yield
    services: tuple[ServiceName, ...] = ("app", "postgres", "redis")
    down = lambda: [one for one in services if not (arm.alive(one) and answers(arm, one, 2))]  # noqa: E731
    until(lambda: str(down()), lambda said: said == "[]")
    for service in services:
        assert arm.memory_limit(service) is None
        assert arm.pids(service, beside=True) == ()


@every_fault
def test_it_bites_and_heals(fault: Any, arm: Running) -> None:
    assert fault.target
    assert json.loads(json.dumps(dict(fault.undo(arm)))) == fault.undo(arm) != {}
    with fault.inject(arm) as done:
        assert json.loads(json.dumps(dict(done))) == done
        assert in_the_end(lambda: bites(fault, arm)), fault.dose(arm)
    assert fault.event or in_the_end(lambda: not bites(fault, arm))


@every_fault
@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
def test_it_heals_whatever_happens(fault: Any, interruption: type[BaseException], arm: Running) -> None:
    with pytest.raises(interruption), fault.inject(arm):
        raise interruption
    assert fault.event or in_the_end(lambda: not bites(fault, arm))


@pytest.mark.parametrize(
    "fault",
    [
        Pause(service="redis"), MemoryLimit(service="redis"), CpuStress(service="redis"),
        DiskFill(service="redis", bytes="20MB"), Kill(service="redis"),
    ],
    ids=lambda one: type(one).__name__,
)  # fmt: skip
def test_it_heals_where_the_service_was_started_anew_meanwhile(fault: Any, arm: Running) -> None:
    with fault.inject(arm):
        arm.kill("redis")
        arm.start("redis")
    assert answers(arm, "redis", 2)
    assert not bites(fault, arm)


@every_fault
def test_a_target_that_is_not_there_is_refused(fault: Any, arm: Running) -> None:
    class Without:
        """The same arm, but for all services."""

        name = "bare"
        services = ()

        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"{name} is asked of a service that is not there")

    for act in (fault.undo, lambda bare: fault.inject(bare).__enter__()):
        with pytest.raises(EnvironmentFailed, match=f"there is no {fault.service} in this stack"):
            act(Without())
    arm.kill(fault.service)
    try:
        with pytest.raises(EnvironmentFailed, match="is down already"):
            fault.undo(arm)
    finally:
        arm.start(fault.service)


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        (Kill, {"service": "mysql"}, "'app', 'postgres' or 'redis'"),
        (Stop, {"service": "app", "grace": 5}, "no unit"),
        (CpuLimit, {"service": "app", "cores": 0}, "greater than or equal to 0.05"),
        (MemoryLimit, {"service": "app", "bytes": "1MB"}, "greater than or equal to 8000000"),
        (CpuStress, {"service": "app", "share": "140%"}, "less than or equal to 1"),
        (CpuStress, {"service": "app", "workers": 0}, "greater than or equal to 1"),
        (MemoryStress, {"service": "app"}, "Field required"),
        (DiskFill, {"service": "app", "bytes": "2GB"}, "less than or equal to 1000000000"),
    ],
)
def test_wrong_attributes_are_told(kind: type, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TypeAdapter(kind).validate_python(given)


@pytest.mark.parametrize("service", ["redis", "postgres", "app"])
def test_what_is_paused_stays_so_when_the_arm_is_thawed(service: ServiceName, arm: Running) -> None:
    with ExitStack() as frozen:
        frozen.callback(arm.thaw)
        with Pause(service=service).inject(arm):
            arm.freeze()
            arm.thaw()
            assert not answers(arm, service, 0.2)
            arm.freeze()
            arm.pause(service)
            arm.resume(service)
        assert not answers(arm, service, 0.2), "an arm that is frozen stays so when its pause ends"
    assert answers(arm, service, 2)
    arm.resume(service)
    assert answers(arm, service, 2)


def test_two_pauses_end_with_the_second(arm: Running) -> None:
    arm.pause("redis")
    with Pause(service="redis").inject(arm):
        pass
    assert not answers(arm, "redis", 0.2)
    arm.resume("redis")
    assert answers(arm, "redis", 2)


def test_a_service_that_is_started_under_limits_has_them_too(arm: Running) -> None:
    cpu, memory = CpuLimit(service="redis", cores=0.2), MemoryLimit(service="redis", bytes="100MB")
    with cpu.inject(arm), memory.inject(arm):
        arm.restart("redis")
        assert in_the_end(lambda: bites(cpu, arm)) and bites(memory, arm)
    assert in_the_end(lambda: not bites(cpu, arm)) and not bites(memory, arm)


def test_a_service_that_does_not_end_when_asked_is_killed_after_its_grace(arm: Running) -> None:
    busy = Redis.from_url(arm.redis_url).client()
    busy.connection.send_command("EVAL", "while true do end", "0")
    until(lambda: str(answers(arm, "redis", 0.1)), lambda said: said == "False")
    with Stop(service="redis", grace="200ms").inject(arm) as done:
        assert done["ended"] == "killed"
        assert arm.end("redis", 5) == "by itself", "there is nothing to end"
    busy.close()
    client = psycopg.connect(arm.dsn)
    with Stop(service="postgres").inject(arm) as done:
        assert done["ended"] == "by itself", "a fast shutdown does not wait for clients"
    client.close()


def test_no_room_on_the_disk_is_refused(arm: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    table = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/x 2000000 1000000 450000 70% /\n"
    monkeypatch.setattr(arm, "run", lambda _service, *_command: table)
    DiskFill(service="redis", bytes="50MB").undo(arm)
    with pytest.raises(EnvironmentFailed, match="will not fill 100 MB"):
        DiskFill(service="redis", bytes="100MB").undo(arm)


@pytest.mark.parametrize(("total_kb", "free_kb"), [(2_000_000, 1_000_000), (20_000_000, 2_500_000)])
def test_memory_that_others_need_is_refused(
    total_kb: int, free_kb: int, arm: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = f"MemTotal: {total_kb} kB\nMemFree: 1 kB\nMemAvailable: {free_kb} kB\n"
    monkeypatch.setattr(arm, "run", lambda _service, *_command: told)
    MemoryStress(service="redis", bytes="500MB").undo(arm)
    too_much = MemoryStress(service="redis", bytes="600MB")
    for act in (too_much.undo, lambda arm: too_much.inject(arm).__enter__()):
        with pytest.raises(EnvironmentFailed, match="will not hold 600 MB"):
            act(arm)


def test_a_limit_as_wide_as_the_machine_is_refused(arm: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arm, "run", lambda _service, *_command: "2\n")
    CpuLimit(service="redis", cores=1.5).undo(arm)
    with pytest.raises(EnvironmentFailed, match=r"1\.6 cores would limit nothing"):
        CpuLimit(service="redis", cores=1.6).undo(arm)


@pytest.mark.parametrize("fault", [MemoryLimit(service="redis"), MemoryStress(service="redis", bytes="20MB")])
def test_a_service_that_a_lack_of_memory_killed_is_started_again(fault: Any, arm: Running) -> None:
    with fault.inject(arm):
        arm.kill("redis")
    assert arm.alive("redis") and answers(arm, "redis", 2)


@pytest.mark.parametrize("hinder", ["pause", "kill"])
def test_the_disk_is_given_back_where_the_service_cannot_do_it(hinder: str, arm: Running) -> None:
    fault = DiskFill(service="redis", bytes="20MB")
    with fault.inject(arm):
        getattr(arm, hinder)("redis")
    if hinder == "pause":
        arm.resume("redis")
    else:
        arm.start("redis")
    assert [dose.delivered for dose in fault.dose(arm)] == [0, 0]


def test_a_command_that_fails_is_told(arm: Running) -> None:
    with pytest.raises(EnvironmentFailed, match="ls failed") as caught:
        arm.run("redis", "ls", "/no/such/folder")
    assert "No such file" in caught.value.why
    with pytest.raises(EnvironmentFailed):
        arm.run("redis", "no-such-program")
