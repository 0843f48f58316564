"""That a fault is healed is told by the live target: an undo that did nothing shows, and a sound one always passes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydantic import TypeAdapter
from redis import Redis

from lab.errors import EnvironmentFailed
from lab.faults.app_settings import AppSettings
from lab.faults.code_path import CodePath
from lab.faults.cpu_stress import CpuStress
from lab.faults.disk_fill import DiskFill
from lab.faults.maxmemory import Maxmemory
from lab.model.stack import Running
from lab.report.doses import gone


def made(kind: type[Any], **written: object) -> Any:
    return TypeAdapter(kind).validate_python(written)


SETTINGS = made(AppSettings, set={"pool_size": 1})
LOGGING = made(AppSettings, set={"log_level": "WARNING"})
CODE = made(CodePath, module="stampede", variant="single_flight")
SMALL = made(Maxmemory, share="50%")


@contextmanager
def data(arm: Running) -> Iterator[Redis]:
    with Redis.from_url(arm.redis_url, decode_responses=True) as client:
        client.mset({f"test:{n}": secrets.token_hex(300) for n in range(2500)})
        yield client
        client.flushall()


@pytest.mark.parametrize("fault", [SETTINGS, CODE], ids=lambda one: type(one).__name__)
def test_an_app_that_was_not_set_back_is_told(
    fault: Any, arm: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned, start = fault.undo(arm), arm.restart_app
    with monkeypatch.context() as lost:
        with fault.inject(arm):
            lost.setattr(arm, "restart_app", lambda **_: None)
        assert gone(fault.dose(arm)) is False
    start(**{key: value for key, value in planned.items() if key != "hash"})
    assert gone(fault.dose(arm)) is True
    assert fault.undo(arm) == planned


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2, 1)], ids=str)
def test_several_on_one_app_are_proved_healed_in_any_order(order: tuple[int, ...], arm: Running) -> None:
    faults = (SETTINGS, CODE, LOGGING)
    before = [fault.undo(arm)["hash"] for fault in faults]
    stand = [fault.inject(arm) for fault in faults]
    for one in stand:
        one.__enter__()
    assert all(gone(fault.dose(arm)) is False for fault in faults)
    for n in order:
        stand[n].__exit__(None, None, None)
        assert gone(faults[n].dose(arm)) is True
    assert [fault.undo(arm)["hash"] for fault in faults] == before


def test_a_limit_that_was_not_taken_back_is_told(arm: Running) -> None:
    with data(arm) as client:
        planned = SMALL.undo(arm)["config"]
        with SMALL.inject(arm) as done:
            assert gone(SMALL.dose(arm)) is False
        assert gone(SMALL.dose(arm)) is True
        client.config_set("maxmemory-policy", done["policy"])
        client.config_set("maxmemory", done["maxmemory"])
        assert gone(SMALL.dose(arm)) is False
        for name, value in planned.items():
            client.config_set(name, value)
        assert gone(SMALL.dose(arm)) is True


def test_of_a_limit_that_was_there_before_nothing_is_claimed(arm: Running) -> None:
    same = made(Maxmemory, bytes="64MB", policy="allkeys-lru")
    with same.inject(arm), same.inject(arm):
        assert not same.dose(arm)[0].bit


@pytest.mark.parametrize(("fault", "service"), [(SETTINGS, "app"), (SMALL, "redis")], ids=["app", "redis"])
def test_of_a_service_that_is_down_nothing_is_claimed(fault: Any, service: Any, arm: Running) -> None:
    with fault.inject(arm):
        pass
    arm.kill(service)
    try:
        assert gone(fault.dose(arm)) is None
    finally:
        arm.start(service)


@pytest.mark.parametrize("interruption", ["pause", "kill"])
def test_a_filled_disk_is_measured_or_says_so_while_nothing_can_run_there(
    interruption: str, each_arm: Running
) -> None:
    fault = made(DiskFill, service="redis", bytes="20MB")
    with fault.inject(each_arm):
        getattr(each_arm, interruption)("redis")
        measured = fault.dose(each_arm)
        assert all(dose.bit or (dose.delivered is None and interruption == "kill") for dose in measured)
    assert gone(fault.dose(each_arm)) in ((True,) if interruption == "pause" else (True, None))
    back = {"pause": each_arm.resume, "kill": each_arm.start}[interruption]
    back("redis")
    assert [dose.delivered for dose in fault.dose(each_arm)] == [0, 0]


def test_a_disk_is_freed_although_its_service_goes_down_at_that_moment(
    arm: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault, remove, tries = made(DiskFill, service="redis", bytes="2MB"), arm.remove_file, list[str]()

    def first_fails(service: Any, path: str) -> None:
        tries.append(path)
        if len(tries) == 1:
            raise EnvironmentFailed("rm failed", why="container is not running")
        remove(service, path)

    with fault.inject(arm):
        monkeypatch.setattr(arm, "remove_file", first_fails)
    assert len(tries) == 2 and gone(fault.dose(arm)) is True


def test_what_burns_the_cpu_is_seen_from_its_first_moment(each_arm: Running) -> None:
    fault = made(CpuStress, service="redis", workers=1, share="20%")
    for _ in range(5):
        with fault.inject(each_arm):
            assert each_arm.pids("redis", beside=True)
        assert each_arm.pids("redis", beside=True) == ()
