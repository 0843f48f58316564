"""The lab's own driver under measurement: through ``lab.loads.open.Open`` and nothing else."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lab.loads.open import BlockLoad, BlockOrder, Open
from lab.model.scenario import Arrivals, Request, Stage
from parts.processes import cpu_s, move
from parts.timer import NS

SLACK_S = 15.0
_LATE_END_S = 0.1  # what is answered so long after the window still counts as keeping up


@dataclass(frozen=True, kw_only=True)
class Played:
    """One block. ``whole_cpu_s`` holds planning the block and writing its samples too."""

    order: BlockOrder
    load: BlockLoad
    whole_cpu_s: float

    @property
    def cpu_us(self) -> float:
        """CPU microseconds for each answered request, from the first due moment to the last answer."""
        return self.load.checks.cpu_s / max(self.load.checks.answered, 1) * 1e6

    @property
    def whole_cpu_us(self) -> float:
        return self.whole_cpu_s / max(self.load.checks.answered, 1) * 1e6

    @property
    def cpu_share(self) -> float:
        """Of one core, from the first due moment to the last answer."""
        rows = self.load.samples
        if len(rows) == 0:
            return 0.0
        return self.load.checks.cpu_s * NS / max(int(rows["done_ns"].max() - rows["due_ns"].min()), 1)

    @property
    def failed(self) -> int:
        return int(self.load.failed.sum())

    @property
    def kept_up(self) -> float:
        """The share of requests that had a good answer shortly after the window."""
        last_ns = self.order.start_ns + round((self.order.length_s + _LATE_END_S) * NS)
        in_time = (self.load.samples["done_ns"] <= last_ns) & ~self.load.failed
        return float(in_time.mean()) if len(in_time) else 1.0


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A block as a benchmark thinks of it."""

    url: str
    requests: tuple[Request, ...]
    stages: tuple[Stage, ...]
    arrivals: Arrivals = "poisson"
    seed: int = 1
    timeout_s: float = 2.0
    connections: int = 512
    start_ns: int = 0  # 0: as soon as it can be


class Driver:
    """One driver process, standing on the generator's core, for block after block."""

    def __init__(self, folder: Path, core: int, workers: int = 0) -> None:
        self._folder = folder
        self._core = core
        self._n = 0
        self.open = Open(folder, own=lambda _: None, workers=workers)

    def settle(self) -> None:
        """Wait until it takes orders; put it on its core."""
        self.scheduling = self.open.ready(30.0).scheduling
        for pid in (self.open.pid, *self.open.worker_pids):
            move(pid, self._core)

    def start_ns(self, stages: Sequence[Stage]) -> int:
        """The earliest moment that a block of these stages can start."""
        return time.monotonic_ns() + round(self.open.lead_s(sum(stage.arrivals for stage in stages)) * NS)

    def play(self, ask: Ask, during: Callable[[BlockOrder], None] | None = None) -> Played:
        """One block, to its end. ``during`` is called when it was ordered; EnvironmentFailed where it fails."""
        self._n += 1
        order = BlockOrder(
            n=self._n,
            url=ask.url,
            start_ns=ask.start_ns or self.start_ns(ask.stages),
            stages=ask.stages,
            arrivals=ask.arrivals,
            seed=ask.seed,
            timeout_s=ask.timeout_s,
            requests=ask.requests,
            samples=self._folder / f"{self._n}.npy",
            connections=ask.connections,
        )
        before = cpu_s(self.open.pid)
        self.open.begin(order)
        if during is not None:
            during(order)
        wait_s = max(0.0, (order.start_ns - time.monotonic_ns()) / NS) + order.length_s + order.timeout_s
        load = self.open.finish(wait_s + SLACK_S)
        whole = cpu_s(self.open.pid) - before
        order.samples.unlink(missing_ok=True)
        return Played(order=order, load=load, whole_cpu_s=whole)


@contextlib.contextmanager
def driver(folder: Path, core: int, workers: int = 0) -> Iterator[Driver]:
    """A driver that is up, on its core, and ends with the block."""
    one = Driver(folder, core, workers)
    try:
        one.settle()
        yield one
    finally:
        one.open.close()


def rate_for(
    play: Callable[[float], Played], share: float, *, first: float, most: float, tries: int = 5
) -> float:
    """The rate at which the driver needs about that share of its core, found by trying; at most ``most``."""
    rate = first
    for _ in range(tries):
        found = play(rate).cpu_share
        if abs(found - share) < share * 0.05:
            break
        # The cost of a request falls with the rate, so one step is damped and the next corrects it.
        rate = min(rate * min(max(share / max(found, 0.001), 0.4), 2.5), most)
    return rate


def lateness_s(load: BlockLoad) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """How long after its due moment each request was sent; early is not late."""
    rows = load.samples
    return np.asarray(np.maximum(rows["sent_ns"] - rows["due_ns"], 0) / 1e9, dtype=np.float64)
