"""What every process of the driver does with itself: its claims on the machine, its voice, its ears."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from gevent.socket import wait_read

from lab.driver.words import WORDS, Scheduling, Word

_URGENT = -5  # niceness where realtime is not to be had

Tell = Callable[[Word], None]


def log_to_stderr(level: int = logging.INFO) -> None:
    logging.basicConfig(level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")


def voice() -> Tell:
    """Answers go to the real stdout; whatever prints by itself goes to the log."""
    out = os.dup(1)
    os.dup2(2, 1)

    def tell(word: Word) -> None:
        os.write(out, WORDS.dump_json(word) + b"\n")

    return tell


def lines(fd: int) -> Iterator[bytes]:
    """Lines from a pipe until it ends, while greenlets go on."""
    rest = b""
    while True:
        wait_read(fd)
        part = os.read(fd, 65536)
        if not part:
            return
        *whole, rest = (rest + part).split(b"\n")
        yield from whole


def settle() -> None:
    """What lives now lives for good. From here on nothing is collected but between blocks: a collection while a
    block runs would count as latency."""
    gc.collect()
    gc.freeze()
    gc.disable()


def claim_descriptors() -> None:
    """As many open connections as the system lets us have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def claim_processor() -> Scheduling:
    """Run before the servers under test do, as a generator on a machine of its own would, where we may.

    It needs little (its share of a core is checked in every block), but it needs it at once: on two busy
    cores an ordinary process wakes up 4 to 20 ms late at p99, a realtime one 0.1 to 0.2 ms.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
            return "realtime"
        with contextlib.suppress(OSError):
            # Linux may share the processor between sessions first; niceness then counts only within one.
            Path("/proc/self/autogroup").write_text(str(_URGENT))
    try:
        os.setpriority(os.PRIO_PROCESS, 0, _URGENT)
    except OSError:
        return "ordinary"
    return "raised"
