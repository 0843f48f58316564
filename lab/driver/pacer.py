"""Wakes the driver at planned moments, to tens of microseconds. Runs inside the gevent hub.

libev rounds its timers to whole milliseconds on epoll, which alone makes a median schedule error of 0.5 ms;
a timerfd watched as a file descriptor has no such rounding.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from gevent import get_hub
from gevent.hub import Waiter

_CLOCK_MONOTONIC = 1
_ABSOLUTE = 1  # TFD_TIMER_ABSTIME
_NONBLOCK_CLOEXEC = os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)
_READ = 1
_MERGE_NS = 20_000  # arrivals this close share one wake-up: setting the timer again costs about as much
_GATHER_NS = (
    20_000  # what follows so closely is waited for: at high rates a wake-up costs more than a request
)
_NEVER = 1 << 63
_SENDS_TO_CATCH_UP = 4  # more than one, or the driver would stay behind
_SENDS_PER_WAKE = 16  # then the loop gets to read answers, also when the driver is behind


class Timer(Protocol):
    """Calls back in the hub at an absolute CLOCK_MONOTONIC moment."""

    precise: bool

    def watch(self, wake: Callable[[], None]) -> None:
        """``wake`` has to arm or disarm: until then it is called again and again."""

    def arm(self, at_ns: int) -> None: ...

    def disarm(self) -> None: ...


class TimerFd:
    """Linux. ``at_ns`` in the past fires at once."""

    precise = True

    def __init__(self) -> None:
        self._fd, self._set = _open_timerfd()
        self._watcher: Any = get_hub().loop.io(self._fd, _READ)

    def watch(self, wake: Callable[[], None]) -> None:
        # Setting the timer again takes back that it fired: no read is needed, one system call less a wake-up.
        self._watcher.start(wake)

    def arm(self, at_ns: int) -> None:
        self._set(max(at_ns, 1))  # zero would switch the timer off

    def disarm(self) -> None:
        self._set(0)
        self._watcher.stop()


class LoopTimer:
    """Elsewhere: libev's own timer, as precise as the platform's event queue (kqueue: nanoseconds)."""

    precise = False

    def __init__(self) -> None:
        self._loop: Any = get_hub().loop
        self._timer: Any = None
        self._wake: Callable[[], None] = lambda: None

    def watch(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def arm(self, at_ns: int) -> None:
        self.disarm()
        self._timer = self._loop.timer(max(0.0, (at_ns - time.monotonic_ns()) / 1e9))
        self._timer.start(self._wake, update=True)

    def disarm(self) -> None:
        if self._timer is not None:
            self._timer.close()
            self._timer = None


class Pacer:
    """Fires a list of moments, one list after another.

    ``next_ns`` is the next moment of the list under way. Whoever has kept the hub for a while looks at it and
    calls ``catch_up``: a crowd of answers would else hold up what is due until the last of them is read.
    """

    def __init__(self, timer: Timer | None = None) -> None:
        self._timer = timer or best_timer()
        self.precise = self._timer.precise
        self.next_ns = _NEVER
        self._moments: Sequence[int] = ()
        self._at = 0
        self._fire: Callable[[int], None] = _ignore
        self._waiter: Any = None

    def run(self, moments_ns: Sequence[int], fire: Callable[[int], None]) -> None:
        """Call ``fire(i)`` in the hub at ``moments_ns[i]`` (sorted, absolute); return after the last.

        ``fire`` must not block; what it raises is raised here, and the rest of the list is dropped.
        """
        if not moments_ns:
            return
        self._moments, self._at, self._fire = moments_ns, 0, fire
        self.next_ns = moments_ns[0]
        self._waiter = waiter = Waiter()
        self._timer.watch(self._wake)
        self._timer.arm(moments_ns[0])
        try:
            waiter.get()
        finally:
            self._timer.disarm()
            self.next_ns, self._waiter = _NEVER, None

    def catch_up(self) -> None:
        """Fire a few of the moments that have passed. In the hub only."""
        self._fire_due(_SENDS_TO_CATCH_UP)

    def _wake(self) -> None:
        self._fire_due(_SENDS_PER_WAKE)
        if self.next_ns != _NEVER:
            self._timer.arm(self._wake_up_ns())

    def _wake_up_ns(self) -> int:
        """When to wake up for the next moment: with the last of those that follow it closely."""
        moments, at = self._moments, self._at
        limit = moments[at] + _GATHER_NS
        while at + 1 < len(moments) and moments[at + 1] <= limit:
            at += 1
        return moments[at]

    def _fire_due(self, most: int) -> None:
        moments, fire = self._moments, self._fire
        last = min(self._at + most, len(moments))
        try:
            while self._at < last and moments[self._at] <= time.monotonic_ns() + _MERGE_NS:
                self._at += 1
                fire(self._at - 1)
        except BaseException:  # noqa: BLE001 - the hub would print it and the block would never end
            self._end(*sys.exc_info())
            return
        if self._at < len(moments):
            self.next_ns = moments[self._at]
        else:
            self._end()

    def _end(self, *error: Any) -> None:
        self.next_ns = _NEVER
        self._at = len(self._moments)
        self._timer.disarm()
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            waiter.throw(*error) if error else waiter.switch(None)


def best_timer() -> Timer:
    """The most precise timer that this platform has."""
    try:
        return TimerFd()
    except (OSError, AttributeError):
        return LoopTimer()


def _open_timerfd() -> tuple[int, Callable[[int], None]]:
    """A timerfd and the function that sets it to an absolute moment in ns (0: off)."""
    if sys.version_info >= (3, 13):
        fd = os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)
        return fd, lambda at: _ignore(os.timerfd_settime_ns(fd, flags=os.TFD_TIMER_ABSTIME, initial=at))
    return _open_timerfd_by_libc()


def _ignore(_: object) -> None:
    return None


class _Spec(ctypes.Structure):
    """``struct itimerspec``: interval, then value, each seconds and nanoseconds."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


def _open_timerfd_by_libc() -> tuple[int, Callable[[int], None]]:
    """Python before 3.13 has no timerfd of its own. AttributeError where the C library has none."""
    libc = ctypes.CDLL(None, use_errno=True)
    settime = libc.timerfd_settime
    fd = libc.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "timerfd_create")
    spec = _Spec()
    pointer = ctypes.byref(spec)

    def set_to(at_ns: int) -> None:
        spec.value_s, spec.value_ns = divmod(at_ns, 1_000_000_000)
        if settime(fd, _ABSOLUTE, pointer, None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    return fd, set_to
