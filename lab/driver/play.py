"""Plays block orders: plan, pace, wait for every answer, add up. Runs inside the driver."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import gevent
from gevent.event import AsyncResult

from lab.driver.block import Executor, Starting, UnderWay
from lab.driver.choice import choose
from lab.driver.distributed.share import WHOLE, Share
from lab.driver.ledger import CpuMeter
from lab.driver.pacer import Pacer
from lab.driver.schedule import Schedule, schedule
from lab.driver.words import BlockOrder, GeneratorChecks, Samples
from lab.driver.words import Executor as Name
from lab.model.histogram import Histogram

_STRETCH_S = 0.25
_FOLD_S = 1.0
_OVERRUN_S = 5.0  # a block that is not drained so long after its last time-out is a defect, not an app


@dataclass(frozen=True)
class Played:
    """One block, or a share of it, drained. ``planned`` are the arrivals of the whole, as is the hash."""

    names: tuple[str, ...]
    samples: Samples
    checks: GeneratorChecks
    schedule_sha256: str
    planned: int
    backends: tuple[str, ...] = ()

    @property
    def response(self) -> Histogram:
        """From the due moments, failed requests included."""
        return Histogram.of((self.samples["done_ns"] - self.samples["due_ns"]) / 1e9)

    @property
    def service(self) -> Histogram:
        """From the sends, of what was sent."""
        sent = self.samples[self.samples["sent_ns"] > 0]
        return Histogram.of((sent["done_ns"] - sent["sent_ns"]) / 1e9)


class Player:
    """Takes one block after another. ``environment`` is Locust's; its statistics gain every request. ``kept_off``
    tells which hosts were asked since the last block that may not be."""

    def __init__(
        self,
        pacer: Pacer,
        environment: Any,
        executors: Mapping[Name, Executor],
        kept_off: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        self._pacer = pacer
        self._environment = environment
        self._executors = executors
        self._kept_off = kept_off

    def play(self, order: BlockOrder, share: Share = WHOLE) -> Played:
        """Run one block, or a share of it; return once its window has passed and every request has an end.

        ValueError for an order that cannot be run.
        """
        name, because = choose(order)
        whole = _plan(order)
        plan, order = share.plan(whole), share.order(order)
        due_ns = [order.start_ns + offset for offset in plan.offsets_ns]
        end: AsyncResult = AsyncResult()
        block = Starting(
            order=order,
            plan=plan,
            due_ns=due_ns,
            environment=self._environment,
            pacer=self._pacer,
            ended=lambda: end.set(None),
            broke=end.set_exception,
        )
        under_way = self._executors[name].begin(block)
        cpu = CpuMeter()
        beside = [
            gevent.spawn(_every, _STRETCH_S, order.start_ns, cpu.read),
            gevent.spawn(_every, _FOLD_S, order.start_ns, lambda: under_way.fold(self._environment.stats)),
        ]
        try:
            self._pacer.run(due_ns, under_way.fire)
            _sleep_until(order.start_ns + round(order.length_s * 1e9))
            if due_ns or order.users:
                _wait(end, order.timeout_s)
        finally:
            gevent.killall(beside)
            under_way.end()
        cpu.read()
        return self._played(under_way, cpu, whole, because)

    def _played(self, under_way: UnderWay, cpu: CpuMeter, whole: Schedule, because: str) -> Played:
        counted = under_way.fold(self._environment.stats)
        return Played(
            names=under_way.names(),
            samples=under_way.samples(),
            checks=replace(under_way.checks(cpu, counted), because=because, kept_off=self._kept_off()),
            schedule_sha256=whole.sha256,
            planned=len(whole.offsets_ns),
            backends=under_way.backends(),
        )


def _plan(order: BlockOrder) -> Schedule:
    if order.users:
        return Schedule(offsets_ns=(), targets=(), sha256="")
    return schedule(
        seed=order.seed, stages=order.stages, law=order.arrivals, requests=order.requests, hot=order.hot
    )


def _wait(end: AsyncResult, timeout_s: float) -> None:
    end.wait(timeout=timeout_s + _OVERRUN_S)
    if not end.ready():
        raise RuntimeError("some requests never ended")
    end.get()


def _every(seconds: float, start_ns: int, act: Callable[[], object]) -> None:
    _sleep_until(start_ns)
    while True:
        act()
        gevent.sleep(seconds)


def _sleep_until(moment_ns: int) -> None:
    left_s = (moment_ns - time.monotonic_ns()) / 1e9
    if left_s > 0:
        gevent.sleep(left_s)
