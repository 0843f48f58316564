"""The driver as a Locust master: takes the lab's orders, has its workers make the requests."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress

import gevent
import locust
import numpy as np
from gevent import subprocess
from gevent.queue import Queue
from locust.exception import RPCError
from zmq.error import ZMQError

from lab.driver.distributed.master import Master, NotComplete
from lab.driver.options import Lead
from lab.driver.process import Tell, claim_descriptors, claim_processor, lines, log_to_stderr, voice
from lab.driver.words import ORDERS, BlockFailed, BlockOrder, DriverListens, DriverReady, Scheduling, Word

_STDIN = 0
_END_S = 1.5
_BEST_FIRST: tuple[Scheduling, ...] = ("realtime", "raised", "ordinary")

Forked = Sequence["subprocess.Popen[bytes]"]


def lead(asked: Lead, imported_ns: int) -> int:
    """Run until stdin ends; the exit code."""
    log_to_stderr()
    tell = voice()
    claim_descriptors()
    claim_processor()
    try:
        master = Master(asked.listen, forked=asked.workers, joining=asked.join)
    except (SystemExit, RPCError, ZMQError, OSError) as refused:  # Locust ends the process for a taken port
        taken = isinstance(refused, SystemExit) or "already in use" in str(refused)
        why = "the port is taken" if taken else str(refused)
        tell(BlockFailed(n=-1, why=f"cannot listen on {asked.listen}: {why}", trace=""))
        return 1
    forked = [_fork(master, asked.allow) for _ in range(asked.workers)]
    tell(DriverListens(master=str(master.address), pids=tuple(process.pid for process in forked)))
    orders: Queue = Queue()
    gevent.spawn(_serve, asked, imported_ns, master, forked, orders, tell)
    for line in lines(_STDIN):
        orders.put(line)
    master.dismiss()
    _end(forked)
    return 0


def _serve(asked: Lead, imported_ns: int, master: Master, forked: Forked, orders: Queue, tell: Tell) -> None:
    def dead() -> set[int]:
        return {process.pid for process in forked if process.poll() is not None}

    try:
        master.gather(asked.wait_s, dead)
    except NotComplete as missing:
        tell(BlockFailed(n=-1, why=str(missing), trace=""))
        return
    tell(_ready(asked, imported_ns, master))
    while True:
        line = orders.get()
        try:
            tell(_play(ORDERS.validate_json(line), master))
        except ValueError as wrong:
            tell(BlockFailed(n=-1, why=f"an order that cannot be read: {wrong}", trace=""))


def _ready(asked: Lead, imported_ns: int, master: Master) -> DriverReady:
    hellos = [member.hello for member in master.members]
    return DriverReady(
        pid=os.getpid(),
        locust=locust.__version__,
        import_s=(imported_ns - asked.started_ns) / 1e9,
        start_s=(time.monotonic_ns() - imported_ns) / 1e9,
        precise_timer=all(hello.precise_timer for hello in hellos),
        scheduling=max((hello.scheduling for hello in hellos), key=_BEST_FIRST.index),
        workers=len(hellos),
    )


def _play(order: BlockOrder, master: Master) -> Word:
    try:
        done, rows = master.play(order)
        np.save(order.samples, rows, allow_pickle=False)
    except Exception as failed:  # noqa: BLE001 - told to the lab, which decides
        why = str(failed) if isinstance(failed, NotComplete) else f"{type(failed).__name__}: {failed}"
        return BlockFailed(n=order.n, why=why, trace=traceback.format_exc())
    return done


def _fork(master: Master, allow: Sequence[str]) -> subprocess.Popen[bytes]:
    """A worker on this machine. It ends when our end of its stdin does, whatever becomes of us."""
    command = [sys.executable, "-P", "-m", "lab.driver", "--forked", "--master", str(master.address_here)]
    command += [f"--allow={host}" for host in allow]
    return subprocess.Popen(command, stdin=subprocess.PIPE, cwd="/")


def _end(forked: Forked) -> None:
    """They have been told; whoever still works when we are gone ends by its stdin."""
    for process in forked:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_END_S)
        if process.poll() is None:
            process.kill()
