"""The run's clock: CLOCK_MONOTONIC, which the load generator shares, and the only place that waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    def now_ns(self) -> int: ...

    def sleep_until(self, at_ns: int) -> None: ...


class MonotonicClock:
    """Real time."""

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def sleep_until(self, at_ns: int) -> None:
        while (left := at_ns - time.monotonic_ns()) > 0:
            time.sleep(left / 1e9)


def wait_for(condition: Callable[[], bool], clock: Clock, deadline_s: float, every_s: float = 0.02) -> bool:
    """True as soon as the condition holds, False when the deadline passes first."""
    end = clock.now_ns() + int(deadline_s * 1e9)
    while not condition():
        if clock.now_ns() >= end:
            return False
        clock.sleep_until(clock.now_ns() + int(every_s * 1e9))
    return True
