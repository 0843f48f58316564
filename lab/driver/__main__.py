"""The load driver: Locust as a library in a process of its own, one block order after another.

``python -m lab.driver STARTED_NS`` reads orders as JSON lines from stdin and answers on stdout, one
line each. It ends when stdin does, so it cannot outlive the lab. Importing Locust patches the whole process
for gevent: nothing else of the lab may import this module.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import locust  # patches the process; before anything that opens sockets
from gevent.queue import Queue
from gevent.socket import wait_read
from locust.env import Environment

from lab.driver.fold import fold, install_buckets
from lab.driver.words import ORDERS, WORDS, BlockDone, BlockFailed, BlockOrder, DriverReady, Scheduling, Word
from lab.driver.pacer import Pacer
from lab.driver.play import Player

_STDIN = 0
_URGENT = -5  # niceness where realtime is not to be had

Tell = Callable[[Word], None]


def main() -> None:
    """Run until stdin ends."""
    imported_ns = time.monotonic_ns()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    tell = _voice()
    _claim_descriptors()
    scheduling = _claim_processor()
    install_buckets()
    orders: Queue = Queue()
    pacer = Pacer()

    def ready() -> None:
        since_ns = int(sys.argv[1])
        tell(
            DriverReady(
                pid=os.getpid(),
                locust=locust.__version__,
                import_s=(imported_ns - since_ns) / 1e9,
                start_s=(time.monotonic_ns() - imported_ns) / 1e9,
                precise_timer=pacer.precise,
                scheduling=scheduling,
            )
        )

    user = open_user(orders, Player(pacer), ready, tell)
    environment = Environment(user_classes=[user], catch_exceptions=True)
    environment.create_local_runner().start(1, spawn_rate=1)
    gc.collect()
    gc.freeze()
    gc.disable()
    for line in _lines(_STDIN):
        try:
            orders.put(ORDERS.validate_json(line))
        except ValueError as wrong:
            tell(BlockFailed(n=-1, why=f"an order that cannot be read: {wrong}", trace=""))
    logging.shutdown()
    os._exit(0)  # a block under way dies with its greenlets; nobody is left to read its result


def open_user(orders: Queue, player: Player, ready: Callable[[], None], tell: Tell) -> type[locust.User]:
    """The one Locust user of the open model: each task is one block."""

    class OpenUser(locust.User):
        fixed_count = 1

        def on_start(self) -> None:
            ready()

        @locust.task
        def block(self) -> None:
            order = orders.get()
            tell(_run(order, player, self.environment.stats))
            # Here and nowhere else: a collection while a block runs would count as latency.
            gc.collect()

    return OpenUser


def _run(order: BlockOrder, player: Player, stats: Any) -> Word:
    try:
        played = player.play(order)
        counted = fold(stats, played.samples, order.requests)
        return BlockDone(
            n=order.n,
            names=tuple(request.name for request in order.requests),
            checks=played.ledger.checks(played.cpu, counted),
            schedule_sha256=played.schedule_sha256,
        )
    except Exception as failed:  # noqa: BLE001 - told to the lab, which decides
        return BlockFailed(n=order.n, why=f"{type(failed).__name__}: {failed}", trace=traceback.format_exc())


def _voice() -> Tell:
    """Answers go to the real stdout; whatever prints by itself goes to the log."""
    out = os.dup(1)
    os.dup2(2, 1)

    def tell(word: Word) -> None:
        os.write(out, WORDS.dump_json(word) + b"\n")

    return tell


def _lines(fd: int) -> Iterator[bytes]:
    rest = b""
    while True:
        wait_read(fd)
        part = os.read(fd, 65536)
        if not part:
            return
        *lines, rest = (rest + part).split(b"\n")
        yield from lines


def _claim_descriptors() -> None:
    """As many open connections as the system lets us have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _claim_processor() -> Scheduling:
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


if __name__ == "__main__":
    main()
