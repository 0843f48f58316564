"""The heartbeat against real stalls: of itself, for a whole machine cannot be stopped by a test."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from processes_under_test import gone, orphan, until

from lab.errors import EnvironmentFailed
from lab.heartbeat import Cpu, Heartbeat, steal_share


@pytest.fixture
def heartbeat(tmp_path: Path) -> Iterator[Heartbeat]:
    beating = Heartbeat.start(tmp_path, own=lambda _: None)
    try:
        yield beating
    finally:
        beating.close()


def test_heartbeat_notes_a_stall_and_when(heartbeat: Heartbeat) -> None:
    process = psutil.Process(heartbeat.pid)
    before = time.monotonic_ns()
    process.suspend()
    until(lambda: process.status() == psutil.STATUS_STOPPED, "heartbeat stopped")
    start = time.monotonic_ns()
    until(lambda: time.monotonic_ns() - start > 300_000_000, "stall over")
    process.resume()
    end = time.monotonic_ns()
    assert 0.25 < heartbeat.worst_between(start, end) < 1.5
    assert heartbeat.worst_between(before - 10**9, before - 10**8) == 0.0


def test_stall_that_lasts_is_waited_for(heartbeat: Heartbeat) -> None:
    process = psutil.Process(heartbeat.pid)
    process.suspend()
    start = time.monotonic_ns()
    threading.Timer(0.3, process.resume).start()
    assert heartbeat.worst_between(start, start + 100_000_000) > 0.2


def test_heartbeat_that_died_is_no_quiet_machine(heartbeat: Heartbeat) -> None:
    psutil.Process(heartbeat.pid).kill()
    with pytest.raises(EnvironmentFailed, match="heartbeat stopped"):
        heartbeat.worst_between(0, 1)


def test_heartbeat_ends_when_closed_and_with_its_parent(heartbeat: Heartbeat, tmp_path: Path) -> None:
    heartbeat.close()
    assert gone(heartbeat.pid)
    start = "from lab.heartbeat import Heartbeat; it = Heartbeat.start(folder, own=lambda r: None)"
    pid = orphan(start, tmp_path)
    until(lambda: gone(pid), f"heartbeat {pid} gone")


def test_steal_of_this_machine_is_a_share() -> None:
    before = Cpu.read()
    until(lambda: Cpu.read().total > before.total or before.total == 0, "processor time passed")
    assert 0.0 <= steal_share(before, Cpu.read()) <= 1.0
