"""Other programs on the machine are seen; the run's own are not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import psutil
import pytest
from test_experiment import FakeRunning

from lab.runner.neighbours import Neighbours, Used, others_share

BURN = "while True: sum(range(10000))"
CORES = os.cpu_count() or 1


class Alone(FakeRunning):
    def pids(self, service: str) -> tuple[int, ...]:
        return (os.getpid(),)


def used(capacity: float, machine: float, run: float) -> Used:
    return Used(capacity_s=capacity, machine_s=machine, run_s=run)


def test_what_the_run_did_not_use_others_did() -> None:
    assert others_share(used(10, 4, 1), used(20, 9, 3)) == pytest.approx(0.3)
    assert others_share(used(10, 4, 1), used(20, 5, 3)) == 0.0, "ticks are coarse: never below nothing"
    assert others_share(used(0, 0, 0), used(0, 0, 1)) == 0.0, "where the kernel does not tell"


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the kernel's times are read from /proc/stat"
)
def test_a_child_that_burns_is_the_runs_own_and_an_orphan_is_not() -> None:
    watch, arm = Neighbours(), Alone("problem", {})
    child = subprocess.Popen([sys.executable, "-c", BURN])
    try:
        before = watch.read(arm)
        threading.Event().wait(0.6)
        own = watch.read(arm).run_s - before.run_s
        assert own > 0.1, "what the child used counts as the run's"
    finally:
        child.kill()
        child.wait()
    # Started by a shell that ends at once, so that it is nobody's child here.
    shell = f"{sys.executable} -c '{BURN}' >/dev/null 2>&1 & echo $!"
    orphan = psutil.Process(int(subprocess.check_output(["sh", "-c", shell])))
    try:
        deadline = time.monotonic() + 10
        while orphan in psutil.Process().children(recursive=True) and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        before, began = watch.read(arm), sum(orphan.cpu_times()[:2])
        threading.Event().wait(0.6)
        burnt = sum(orphan.cpu_times()[:2]) - began
        after = watch.read(arm)
        capacity = after.capacity_s - before.capacity_s
        assert others_share(before, after) > 0.5 * burnt / capacity > 0
    finally:
        orphan.kill()
