"""The ``open`` load: requests are due at planned moments, whatever the app does; latency counts from there.

This is the side that the runner uses. It starts the driver process once and passes it one order after
another; it imports neither Locust nor gevent.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, ClassVar

import numpy as np

from lab.driver.reach import host_of, may_load
from lab.driver.words import (
    ORDERS,
    SAMPLE,
    WORDS,
    BlockDone,
    BlockFailed,
    BlockLoad,
    BlockOrder,
    DriverListens,
    DriverReady,
    Failure,
    GeneratorChecks,
    Samples,
    Word,
)
from lab.errors import EnvironmentFailed, LabError
from lab.model.load import ALONE, Sharing

__all__ = [
    "SAMPLE", "BlockLoad", "BlockOrder", "DriverReady", "Failure", "GeneratorChecks", "Open", "Samples",
]  # fmt: skip

LEAD_S = 0.05
SHARED_LEAD_S = 0.15  # an order goes on to the workers
LEAD_OF_ARRIVAL_S = 15e-6
START_S = 30.0
JOIN_S = 120.0  # for people to start workers on other machines
_LOG_LINES = 15


class Open:
    """The driver process, seen from the runner. One block at a time: ``begin``, then ``finish``."""

    kind: ClassVar[str] = "open"

    def __init__(
        self,
        folder: Path,
        *,
        own: Callable[[Mapping[str, Any]], None],
        workers: int = 0,
        join: int = 0,
        bind: str = ALONE.bind,
        allow: tuple[str, ...] = (),
    ) -> None:
        """Start the driver; it logs to ``folder/logs/load.log`` and is ready about a second later.

        With workers (see ``Sharing``) it is their master; ``listening`` tells where others can join.
        ``allow`` are the hosts that may be loaded beside this machine.
        """
        self._own = own
        self._allow = allow
        self._sharing = Sharing(workers=workers, join=join, bind=bind)
        self._listens: DriverListens | None = None
        self._log = folder / "logs" / "load.log"
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._pending: BlockOrder | None = None
        self._ready: DriverReady | None = None
        self._words: SimpleQueue[Word | None] = SimpleQueue()
        with self._log.open("ab") as log:
            # A session of its own: Ctrl-C is for the lab, which then closes this one in order.
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "lab.driver",
                    str(time.monotonic_ns()),
                    *_arguments(self._sharing, allow),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        own({"process": self._process.pid})
        threading.Thread(target=self._listen, name="load-driver", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def worker_pids(self) -> tuple[int, ...]:
        """The worker processes on this machine, once ``listening`` or ``ready`` has returned."""
        return self._listens.pids if self._listens is not None else ()

    def listening(self, deadline_s: float = START_S) -> str:
        """Wait until workers can join; where they can (HOST:PORT). Empty where nobody shares this load."""
        if self._sharing.total and self._listens is None:
            word = self._next(deadline_s, "start")
            if not isinstance(word, DriverListens):
                raise self._not_started(word)
            self._listens = word
            for pid in word.pids:
                self._own({"process": pid})
        return self._listens.master if self._listens is not None else ""

    def ready(self, deadline_s: float | None = None) -> DriverReady:
        """Wait until the driver takes orders. Calling it is optional: earlier orders wait in the pipe."""
        if self._ready is None:
            self.listening()
            word = self._next(deadline_s or START_S + (JOIN_S if self._sharing.join else 0), "start")
            if not isinstance(word, DriverReady):
                raise self._not_started(word)
            self._ready = word
        return self._ready

    def lead_s(self, arrivals: float) -> float:
        """Seconds between an order of so many arrivals and its start, so that its plan is made by then."""
        return (SHARED_LEAD_S if self._sharing.total else LEAD_S) + LEAD_OF_ARRIVAL_S * arrivals

    def begin(self, order: BlockOrder) -> None:
        """Hand over a block; returns at once. The driver starts it at ``order.start_ns``. LabError, before anything is
        sent, where the app is on a host that was not allowed."""
        if self._pending is not None:
            raise RuntimeError(f"block {self._pending.n} is still under way")
        refuse_strange(order.url, self._allow)
        order = replace(order, samples=order.samples.absolute())  # the driver stands elsewhere
        order.samples.parent.mkdir(parents=True, exist_ok=True)
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(ORDERS.dump_json(order) + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise self._failed("the load driver is gone", self._tail()) from None
        self._pending = order

    def finish(self, deadline_s: float) -> BlockLoad:
        """Wait at most ``deadline_s`` from now for the drained block; read its samples.

        EnvironmentFailed where the driver failed, died or did not answer in time.
        """
        order = self._pending
        if order is None:
            raise RuntimeError("no block is under way")
        self._pending = None
        deadline = time.monotonic() + deadline_s
        self.ready(deadline_s)
        word = self._word_of(order.n, deadline)
        if isinstance(word, BlockFailed):
            raise self._failed(f"the load driver could not run block {order.n}", word.why)
        return BlockLoad(
            n=word.n,
            samples=_read_samples(order.samples),
            names=word.names,
            checks=word.checks,
            schedule_sha256=word.schedule_sha256,
            response=word.response,
            service=word.service,
            backends=word.backends,
        )

    def close(self) -> None:
        """End the driver, whatever it does. Safe to call twice."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):  # it died before
                self._process.stdin.close()
        try:
            self._process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as answers:
            for line in answers:
                self._words.put(WORDS.validate_json(line))
        self._words.put(None)

    def _word_of(self, n: int, deadline: float) -> BlockDone | BlockFailed:
        while True:
            word = self._next(deadline - time.monotonic(), f"finish block {n}")
            if isinstance(word, BlockDone | BlockFailed) and word.n == n:
                return word  # any other is the late end of a block that was given up

    def _next(self, deadline_s: float, what: str) -> Word:
        try:
            word = self._words.get(timeout=max(deadline_s, 0.001))
        except Empty:
            late = f"the load driver did not {what} in time"
            raise self._failed(late, self._tail()) from None
        if word is None:
            self._words.put(None)  # for whoever asks next
            status = self._process.wait()
            raise self._failed(f"the load driver ended by itself (status {status})", self._tail())
        return word

    def _not_started(self, word: Word) -> EnvironmentFailed:
        why = word.why if isinstance(word, BlockFailed) else self._tail()
        return self._failed("the load driver did not start", why)

    def _failed(self, what: str, why: str) -> EnvironmentFailed:
        return EnvironmentFailed(what, where=str(self._log), why=why, do="read the log; then run it again")

    def _tail(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        return "\n".join(lines) or "its log is empty"


def refuse_strange(url: str, allow: tuple[str, ...]) -> None:
    """LabError for an app on another machine that nobody allowed to be loaded."""
    if not may_load(url, allow):
        raise LabError(
            f"no load may go to {host_of(url)}",
            where=url,
            why="loads go to this machine alone, unless a host is allowed",
            do=f"--allow-host {host_of(url)} if it is yours to load",
        )


def _arguments(sharing: Sharing, allow: tuple[str, ...]) -> list[str]:
    allowed = [f"--allow={host}" for host in allow]
    if not sharing.total:
        return allowed
    wait_s = JOIN_S if sharing.join else START_S
    return [
        f"--workers={sharing.workers}", f"--join={sharing.join}", f"--listen={sharing.bind}", f"--wait={wait_s}",
        *allowed,
    ]  # fmt: skip


def _read_samples(path: Path) -> Samples:
    samples: Samples = np.load(path, allow_pickle=False)
    if samples.dtype != SAMPLE:
        raise EnvironmentFailed("the samples have an unknown form", where=str(path), why=str(samples.dtype))
    return samples
