"""Calls back at a moment, to tens of microseconds.

uvloop's own timers count whole milliseconds, which is too coarse for a dose of latency and much too coarse for a
slicer whose delay is given in microseconds. On Linux one timerfd, watched as a file, serves all that wait;
elsewhere the loop's timer does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import heapq
import os
import platform
import time
from collections.abc import Callable
from itertools import count
from math import inf
from typing import Protocol

_CLOCK_MONOTONIC = 1
_ABSOLUTE = 1  # TFD_TIMER_ABSTIME
_MERGE_S = 20e-6  # what is due so soon is not waited for: setting the timer again takes as long

NEVER = inf
now = time.monotonic


class Alarm:
    """One call that is waited for."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """It will not ring. Safe at any time."""
        self.call = None


class Timer(Protocol):
    """Wakes at one moment (seconds of CLOCK_MONOTONIC)."""

    def set(self, when: float) -> None: ...

    def close(self) -> None: ...


class Alarms:
    """All calls that are waited for in one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer = _timer(loop, self._ring)
        self._waiting: list[tuple[float, int, Alarm]] = []
        self._number = count()
        self._ringing = False

    def at(self, when: float, call: Callable[[], None]) -> Alarm:
        """Call at ``when`` (seconds of CLOCK_MONOTONIC), never before this turn of the loop is over."""
        alarm = Alarm(call)
        heapq.heappush(self._waiting, (when, next(self._number), alarm))
        if self._waiting[0][2] is alarm and not self._ringing:
            self._timer.set(when)
        return alarm

    def close(self) -> None:
        self._waiting.clear()
        self._timer.close()

    def _ring(self) -> None:
        waiting, due = self._waiting, []
        limit = now() + _MERGE_S
        # Taken out first: what they set for "now" waits for the next turn, after this one's data was sent.
        while waiting and waiting[0][0] <= limit:
            due.append(heapq.heappop(waiting)[2])
        self._ringing = True
        for alarm in due:
            if alarm.call is not None:
                self._call(alarm.call)
        self._ringing = False
        if waiting:
            self._timer.set(waiting[0][0])

    def _call(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as wrong:  # noqa: BLE001 - one connection's failure must not stop the others' alarms
            self._loop.call_exception_handler({"message": "an alarm failed", "exception": wrong})


class _TimerFd:
    def __init__(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        self._loop, self._wake = loop, wake
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = self._libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._value = (ctypes.c_long * 4)()  # struct itimerspec: no interval, then seconds and nanoseconds
        loop.add_reader(self._fd, self._fired)

    def set(self, when: float) -> None:
        nanoseconds = max(1, round(when * 1e9))  # zero would switch it off
        self._value[2], self._value[3] = divmod(nanoseconds, 1_000_000_000)
        self._libc.timerfd_settime(self._fd, _ABSOLUTE, self._value, None)

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _fired(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it was set again meanwhile
            os.read(self._fd, 8)
        self._wake()


class _LoopTimer:
    def __init__(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        self._loop, self._wake = loop, wake
        self._handle: asyncio.TimerHandle | None = None

    def set(self, when: float) -> None:
        self.close()
        self._handle = self._loop.call_later(max(0.0, when - now()), self._wake)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()


def _timer(loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> Timer:
    if platform.system() == "Linux":
        return _TimerFd(loop, wake)
    return _LoopTimer(loop, wake)
