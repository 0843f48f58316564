"""The driver's clockwork alone, with the timer of this platform and with the one for all others."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from lab.driver.pacer import LoopTimer, Pacer, TimerFd, best_timer

QUIET_TRIES = 5  # a busy machine is late by itself; a slow pacer would be late every time


@pytest.mark.parametrize("timer", [best_timer, LoopTimer])
def test_pacer_fires_in_order_and_on_time(timer: Callable[[], TimerFd | LoopTimer]) -> None:
    pacer = Pacer(timer())
    medians_ms = []
    for _ in range(QUIET_TRIES):
        fired: list[tuple[int, int]] = []
        start = time.monotonic_ns() + 20_000_000
        moments = [start + i * 1_700_000 for i in range(40)]
        pacer.run(moments, lambda i, to=fired: to.append((i, time.monotonic_ns())))  # type: ignore[misc]
        assert [i for i, _ in fired] == list(range(40))
        late_ms = [(at - moments[i]) / 1e6 for i, at in fired]
        assert min(late_ms) > -0.03  # arrivals that close are merged into one wake-up
        medians_ms.append(float(np.median(late_ms)))
    assert min(medians_ms) < 1.2  # libev rounds up to the next millisecond


def test_pacer_hands_on_what_its_target_raises() -> None:
    pacer = Pacer()

    def fire(i: int) -> None:
        raise LookupError(f"request {i}")

    with pytest.raises(LookupError, match="request 0"):
        pacer.run([time.monotonic_ns()], fire)
    fired: list[int] = []
    pacer.run([time.monotonic_ns()], fired.append)
    assert fired == [0]
