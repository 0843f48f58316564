"""The load driver: Locust as a library in a process of its own, one block order after another.

``python -m lab.driver STARTED_NS`` reads orders as JSON lines from stdin and answers on stdout, one
line each. It ends when stdin does, so it cannot outlive the lab. Importing Locust patches the whole process
for gevent: nothing else of the lab may import this module. With ``--workers`` or ``--join`` the same process
is a Locust master whose workers make the requests; with ``--master`` it is such a worker.
"""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback

import locust  # patches the process; before anything that opens sockets
import numpy as np
from gevent.queue import Queue
from locust.env import Environment

from lab.driver.fold import install_buckets
from lab.driver.options import Alone, Lead, Work, options
from lab.driver.pacer import Pacer
from lab.driver.play import Player
from lab.driver.process import claim_descriptors, claim_processor, lines, log_to_stderr, settle, voice
from lab.driver.reach import Reach
from lab.driver.user import open_user
from lab.driver.words import ORDERS, BlockDone, BlockFailed, BlockOrder, DriverReady, Word

_STDIN = 0


def main() -> None:
    """Run until stdin ends; a worker until its master is gone."""
    imported_ns = time.monotonic_ns()
    asked = options(sys.argv[1:])
    install_buckets()
    reach = Reach(asked.allow)
    reach.guard()
    if isinstance(asked, Work):
        from lab.driver.distributed.worker import work

        code = work(asked, reach)
    elif isinstance(asked, Lead):
        from lab.driver.distributed.lead import lead

        code = lead(asked, imported_ns)
    else:
        code = alone(asked, imported_ns, reach)
    logging.shutdown()
    os._exit(code)  # a block under way dies with its greenlets; nobody is left to read its result


def alone(asked: Alone, imported_ns: int, reach: Reach) -> int:
    """All requests from this process."""
    log_to_stderr()
    tell = voice()
    claim_descriptors()
    scheduling = claim_processor()
    orders: Queue = Queue()
    pacer = Pacer()

    def ready() -> None:
        tell(
            DriverReady(
                pid=os.getpid(),
                locust=locust.__version__,
                import_s=(imported_ns - asked.started_ns) / 1e9,
                start_s=(time.monotonic_ns() - imported_ns) / 1e9,
                precise_timer=pacer.precise,
                scheduling=scheduling,
            )
        )

    user = open_user(orders, pacer, reach, ready, lambda order, player: tell(_run(order, player)))
    environment = Environment(user_classes=[user], events=locust.events, catch_exceptions=True)
    environment.create_local_runner().start(1, spawn_rate=1)
    settle()
    for line in lines(_STDIN):
        try:
            orders.put(ORDERS.validate_json(line))
        except ValueError as wrong:
            tell(BlockFailed(n=-1, why=f"an order that cannot be read: {wrong}", trace=""))
    # Users say goodbye.
    environment.events.quitting.fire(environment=environment, reverse=True)  # type: ignore[no-untyped-call]
    return 0


def _run(order: BlockOrder, player: Player) -> Word:
    try:
        played = player.play(order)
        np.save(order.samples, played.samples, allow_pickle=False)
        return BlockDone(
            n=order.n,
            names=played.names,
            checks=played.checks,
            schedule_sha256=played.schedule_sha256,
            response=played.response,
            service=played.service,
            backends=played.backends,
        )
    except Exception as failed:  # noqa: BLE001 - told to the lab, which decides
        return BlockFailed(n=order.n, why=f"{type(failed).__name__}: {failed}", trace=traceback.format_exc())


if __name__ == "__main__":
    main()
