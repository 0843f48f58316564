"""What ends a run at once: a machine that runs short, a time that is over, answers that fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_experiment import FakeClock

from lab.errors import Exit
from lab.model.load import SAMPLE, BlockLoad, GeneratorChecks
from lab.model.scenario import Stop
from lab.runner.guards import Guards, Stopped

PLENTY = 1e12
HUNGRY = Stop(memory_free="2000GB")  # type: ignore[arg-type]


def guards(stop: Stop, *, disk: float = PLENTY, memory: float = PLENTY) -> Guards:
    return Guards(stop, Path("/"), FakeClock(), free_disk=lambda _: disk, free_memory=lambda: memory)


def answers(failed: int, of: int) -> BlockLoad:
    samples = np.zeros(of, SAMPLE)
    samples["error"][:failed] = 5
    checks = GeneratorChecks(
        asked=of, sent=of, answered=of, schedule_error_p50_s=0.0, schedule_error_p99_s=0.0,
        cpu_share_max=0.1, idle_connections=True, achieved=1.0, cpu_s=0.0, queued=0, retried=0,
        recorded=of, counted=of,
    )  # fmt: skip
    return BlockLoad(n=1, samples=samples, names=("page",), checks=checks, schedule_sha256="")


def test_a_machine_with_room_is_left_alone() -> None:
    found = guards(Stop())
    found.after(answers(10, 10), "problem")
    found.look()


@pytest.mark.parametrize(
    ("short", "condition"),
    [
        (guards(Stop(), disk=1e8), "disk_free"),
        (guards(Stop(), memory=1e8), "memory_free"),
        (guards(HUNGRY), "memory_free"),
    ],
)
def test_a_machine_that_runs_short_ends_the_run_with_its_own_code(short: Guards, condition: str) -> None:
    with pytest.raises(Stopped, match=condition) as stopped:
        short.look()
    assert stopped.value.exit is Exit.GUARD
    assert stopped.value.where == f"stop.{condition}"


def test_the_time_counts_from_the_start() -> None:
    found = guards(Stop(time="1min"))  # type: ignore[arg-type]
    found.look()
    found.clock.sleep_until(found.clock.now_ns() + 61 * 10**9)
    with pytest.raises(Stopped, match="time"):
        found.look()


@pytest.mark.parametrize(("failed", "stops"), [(5, False), (6, True)])
def test_too_many_failures_end_the_run_after_their_block(failed: int, stops: bool) -> None:
    found = guards(Stop(error_share="50%"))  # type: ignore[arg-type]
    found.after(answers(failed, 10), "problem")
    if not stops:
        return found.look()
    with pytest.raises(Stopped, match="error_share") as stopped:
        found.look()
    assert "60% of the requests failed in a block of arm problem" in stopped.value.why
    return None
