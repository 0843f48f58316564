"""Plays block orders: plan, pace, wait for every answer, write the samples. Runs inside the driver."""

from __future__ import annotations

import time
from dataclasses import dataclass

import gevent
import numpy as np
from gevent.event import AsyncResult

from lab.driver.fast import Job, Lane, lane_for, render
from lab.driver.ledger import CpuMeter, Ledger
from lab.driver.words import BlockOrder, Samples
from lab.driver.pacer import Pacer
from lab.driver.schedule import Schedule, schedule

_STRETCH_S = 0.25
_OVERRUN_S = 5.0  # a block that is not drained so long after its last time-out is a defect, not an app


@dataclass(frozen=True)
class Played:
    """One block, drained, its samples on disk."""

    samples: Samples
    ledger: Ledger
    cpu: CpuMeter
    schedule_sha256: str


class Player:
    """Keeps connections from block to block, one lane for each app."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer
        self._lanes: dict[str, Lane] = {}

    def play(self, order: BlockOrder) -> Played:
        """Run one block; return once its window has passed and every request has an end.

        OSError where the samples cannot be written.
        """
        lane = self._lane(order.url)
        plan = _plan(order)
        messages = [render(order.url, t.method, t.path, t.body) for t in plan.targets]
        end: AsyncResult = AsyncResult()
        due_ns = [order.start_ns + offset for offset in plan.offsets_ns]
        ledger = Ledger(due_ns, round(order.timeout_s * 1e9), lambda: end.set(None))
        job = Job(ledger, messages, end.set_exception)
        cpu = CpuMeter()
        reading = gevent.spawn(_read_cpu, cpu, order.start_ns)
        try:
            self._pacer.run(due_ns, lambda i: lane.offer(job, i))
            _sleep_until(order.start_ns + round(order.length_s * 1e9))
            if due_ns:
                end.wait(timeout=order.timeout_s + _OVERRUN_S)
                if not end.ready():
                    raise RuntimeError(f"{ledger.open} requests never ended")
                end.get()
        finally:
            reading.kill()
        cpu.read()
        samples = ledger.samples([target.name for target in plan.targets])
        np.save(order.samples, samples, allow_pickle=False)
        return Played(samples, ledger, cpu, plan.sha256)

    def _lane(self, url: str) -> Lane:
        if url not in self._lanes:
            self._lanes[url] = lane_for(url)
        return self._lanes[url]


def _plan(order: BlockOrder) -> Schedule:
    return schedule(
        seed=order.seed,
        rate=order.stages[0].rate,
        length_s=order.length_s,
        law=order.arrivals,
        requests=order.requests,
    )


def _read_cpu(cpu: CpuMeter, start_ns: int) -> None:
    _sleep_until(start_ns)
    while True:
        cpu.read()
        gevent.sleep(_STRETCH_S)


def _sleep_until(moment_ns: int) -> None:
    left_s = (moment_ns - time.monotonic_ns()) / 1e9
    if left_s > 0:
        gevent.sleep(left_s)
