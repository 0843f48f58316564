"""A worker: plays its share of each block as the master orders, under Locust's own worker runner."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gevent
import locust.runners
from gevent.event import AsyncResult
from gevent.queue import Queue
from locust.env import Environment

from lab import __version__
from lab.driver.distributed import place
from lab.driver.distributed.arrived import order_here
from lab.driver.distributed.wire import (
    FAILED,
    HELLO,
    PING,
    PLAY,
    PLAYED,
    ROWS_A_MESSAGE,
    Hello,
    Kind,
    Play,
    ShareFailed,
    SharePlayed,
)  # fmt: skip
from lab.driver.options import Work
from lab.driver.pacer import Pacer
from lab.driver.play import Played, Player
from lab.driver.process import claim_descriptors, claim_processor, lines, log_to_stderr, settle
from lab.driver.reach import Reach
from lab.driver.user import open_user
from lab.errors import EnvironmentFailed, Exit

_MASTER_GONE_S = 5
_FLUSH_S = 0.2  # for a last word to leave


def work(asked: Work, reach: Reach) -> int:
    """Join the master and work until it is gone; the exit code."""
    log_to_stderr(logging.INFO if asked.forked else logging.WARNING)
    if asked.forked:
        os.dup2(2, 1)
        gevent.spawn(_end_with_parent)
    with TemporaryDirectory(prefix="lab-worker-") as folder:
        try:
            worker = Worker(asked, reach, Path(folder))
        except ConnectionError:
            return _fail(_nobody_there(asked))
        except (KeyboardInterrupt, SystemExit):  # Locust makes the one of the other while it connects
            return int(Exit.INTERRUPTED)
        _say(f"joined the master at {asked.master}" + ("" if asked.forked else "; Ctrl-C leaves it"))
        return _stay(worker, asked)


def _stay(worker: Worker, asked: Work) -> int:
    try:
        why = worker.until_dismissed()
        worker.leave()
    except KeyboardInterrupt:
        worker.leave()
        _say("left")
        return int(Exit.INTERRUPTED)
    if why:
        here = EnvironmentFailed("the master does not take this worker", where=str(asked.master), why=why)
        return _fail(here)
    _say(f"the master at {asked.master} has ended the run, or is gone")
    return int(Exit.OK)


def _nobody_there(asked: Work) -> EnvironmentFailed:
    return EnvironmentFailed(
        "no master answers",
        where=str(asked.master),
        why=f"nothing that speaks for a run was heard from there within {asked.wait_s:g} s",
        do="start it with `lab run NAME --join 1 --bind HOST:PORT`, with an address that this machine can reach",
    )


def _fail(error: EnvironmentFailed) -> int:
    sys.stderr.write(f"lab: {error}\n")
    return int(error.exit)


def _say(what: str) -> None:
    sys.stderr.write(f"lab worker: {what}\n")
    sys.stderr.flush()


def _end_with_parent() -> None:
    """Whatever this process does: without its master it has no business."""
    for _ in lines(0):
        pass
    os._exit(0)


class Worker:
    """Joined to a master. ConnectionError where none answers in time."""

    def __init__(self, asked: Work, reach: Reach, folder: Path) -> None:
        self._asked = asked
        self._reach = reach
        self._folder = folder
        self._orders: Queue = Queue()
        self._refused: AsyncResult = AsyncResult()
        self._pacer = Pacer()
        claim_descriptors()
        user = open_user(self._orders, self._pacer, reach, settle, self._play)
        self._environment: Any = Environment(user_classes=[user], events=locust.events, catch_exceptions=True)
        self._runner = self._join()
        self._runner.register_message(
            "lab-play", lambda msg, **_: self._orders.put(PLAY.validate_json(msg.data))
        )
        self._runner.register_message("lab-ping", lambda msg, **_: self._pong(msg.data))
        self._runner.register_message("lab-refused", lambda msg, **_: self._refused.set(msg.data))
        self._send("lab-hello", HELLO.dump_json(self._hello()))

    def _join(self) -> Any:
        # One question, which waits in its socket until somebody listens. Locust would ask again and again for
        # five minutes, and each question would reach a master that comes late.
        limits: Any = locust.runners
        limits.CONNECT_TIMEOUT, limits.CONNECT_RETRY_COUNT = self._asked.wait_s, 0
        limits.MASTER_HEARTBEAT_TIMEOUT = _MASTER_GONE_S
        master = self._asked.master
        return self._environment.create_worker_runner(master.host, master.port)

    def _hello(self) -> Hello:
        return Hello(
            pid=os.getpid(),
            host=socket.gethostname(),
            version=__version__,
            forked=self._asked.forked,
            clock=place.clock(),
            network=place.network(),
            precise_timer=self._pacer.precise,
            scheduling=claim_processor(),
        )

    def until_dismissed(self) -> str:
        """Wait for the end; why the master did not want us, or empty."""
        while not self._runner.greenlet.join(timeout=0.2):
            if self._refused.ready():
                return str(self._refused.get())
        return ""

    def leave(self) -> None:
        """Tell the master that we go, and users of a locustfile that it is over."""
        self._environment.events.quitting.fire(environment=self._environment, reverse=True)
        gevent.sleep(_FLUSH_S)

    def _send(self, kind: Kind, content: bytes) -> None:
        self._runner.send_message(kind, content.decode())

    def _pong(self, ping: str) -> None:
        found = PING.validate_json(ping)
        self._send("lab-pong", PING.dump_json(replace(found, there_ns=time.monotonic_ns())))

    def _play(self, play: Play, player: Player) -> None:
        n = play.order.n
        try:
            order = order_here(play, self._asked.master, self._folder)
            self._reach.order(order.url)
            played = player.play(order, play.share)
        except Exception as failed:  # noqa: BLE001 - told to the master, which decides
            why = f"{type(failed).__name__}: {failed}"
            self._send(
                "lab-failed", FAILED.dump_json(ShareFailed(n=n, why=why, trace=traceback.format_exc()))
            )
            return
        self._report()
        self._send_rows(n, played)
        self._send("lab-played", PLAYED.dump_json(_share_played(n, played)))

    def _report(self) -> None:
        """Locust's own report of its statistics, now and not within three seconds: then the master's are complete
        when it hears that the share is played."""
        data: dict[str, Any] = {}
        self._environment.events.report_to_master.fire(client_id=self._runner.client_id, data=data)
        self._runner.send_message("stats", data)

    def _send_rows(self, n: int, played: Played) -> None:
        for at in range(0, len(played.samples), ROWS_A_MESSAGE):
            rows = played.samples[at : at + ROWS_A_MESSAGE].tobytes()
            self._runner.send_message("lab-rows", {"n": n, "rows": rows})
            gevent.sleep(0)  # heartbeats go on


def _share_played(n: int, played: Played) -> SharePlayed:
    return SharePlayed(
        n=n,
        names=played.names,
        checks=played.checks,
        schedule_sha256=played.schedule_sha256,
        planned=played.planned,
        rows=len(played.samples),
        response=played.response,
        service=played.service,
        backends=played.backends,
    )
