"""A timerfd: the most precise wake-up that Linux gives a process. Made through libc, so for every Python."""

from __future__ import annotations

import contextlib
import ctypes
import os
import time

_CLOCK_MONOTONIC = 1
_ABSOLUTE = 1
NS = 1_000_000_000


class _Spec(ctypes.Structure):
    """``struct itimerspec``: interval, then value, each seconds and nanoseconds."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class Timer:
    """``fd`` becomes readable at the absolute CLOCK_MONOTONIC moment that was set."""

    def __init__(self, *, blocking: bool) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._settime = libc.timerfd_settime
        self.fd: int = libc.timerfd_create(
            _CLOCK_MONOTONIC, os.O_CLOEXEC | (0 if blocking else os.O_NONBLOCK)
        )
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._spec = _Spec()
        self._pointer = ctypes.byref(self._spec)

    def set(self, at_ns: int) -> None:
        self._spec.value_s, self._spec.value_ns = divmod(max(at_ns, 1), NS)
        if self._settime(self.fd, _ABSOLUTE, self._pointer, None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def clear(self) -> None:
        """Read the expiry away, and with a blocking timer wait for it."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 8)


def wait_until(at_ns: int) -> None:
    """Sleep until an absolute CLOCK_MONOTONIC moment; at once where it has passed."""
    while (left_ns := at_ns - time.monotonic_ns()) > 0:
        time.sleep(left_ns / NS)
