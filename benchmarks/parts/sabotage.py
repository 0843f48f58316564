"""Runs that must be void, and the clean ones beside them that must not be."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lab.model.load import BlockOrder
from lab.model.scenario import Request, Stage
from parts.findings import say
from parts.judged import Judge, Run, judging
from parts.ours import Ask, Driver, driver
from parts.processes import Child, cores, may_be_realtime, standing
from parts.servers import known
from parts.timer import NS, wait_until

SERVICE_S, RATE, BLOCK_S = 0.02, 300.0, 0.6
FEW = 4  # connections; 300 a second of 20 ms each need six
PAUSE_AT_S, PAUSE_S = 0.15, 0.3
HOG_BUSY_S, HOG_REST_S, HOG_PRIORITY = 0.04, 0.01, 50
ORDINARY_HOGS = 4
LOOK = Request(name="look", get="/products/17")

CLEAN, HOG, PAUSED, FEW_CONNECTIONS = "clean", "a CPU hog on its core", "the driver paused", "a cap too small"
CLEAN_TWO, LOST = "clean, two workers", "a worker lost"
CLEAN_KINDS = (CLEAN, CLEAN_TWO)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a run happens: the driver, its judge, what it asks."""

    folder: Path
    driver: Driver
    judge: Judge
    ask: Ask

    def run(self, during: Callable[[int, BlockOrder], None] | None = None) -> Run:
        return self.judge.run(self.driver, self.ask, during)

    def warm(self) -> None:
        """Connections as they are in the middle of a run."""
        self.driver.play(replace(self.ask, stages=(Stage(rate=RATE, length=0.3),)))


def all_runs(folder: Path, count: int) -> dict[str, list[Run]]:
    """``count`` runs of each kind, by turns, so that a noisy minute meets all kinds alike."""
    stands = cores()
    with (
        known(folder, stands.server, SERVICE_S, realtime=may_be_realtime()) as server,
        judging(folder, SERVICE_S) as judge,
    ):
        ask = Ask(url=server.url, requests=(LOOK,), stages=(Stage(rate=RATE, length=BLOCK_S),))
        alone = _alone(folder, judge, ask, count)
        return {**alone, **_with_workers(folder, judge, ask, count)}


def _alone(folder: Path, judge: Judge, ask: Ask, count: int) -> dict[str, list[Run]]:
    seen: dict[str, list[Run]] = {kind: [] for kind in _ALONE}
    with driver(folder / "one", cores().generator) as one:
        for n in range(count):
            say(f"sabotage: run {n + 1}/{count} of each kind")
            place = Place(folder=folder, driver=one, judge=judge, ask=replace(ask, seed=n + 1))
            for kind, run in _ALONE.items():
                place.warm()
                seen[kind].append(run(place))
    return seen


def _with_workers(folder: Path, judge: Judge, ask: Ask, count: int) -> dict[str, list[Run]]:
    """Two workers on the generator's core; each loss needs a driver of its own."""
    seen: dict[str, list[Run]] = {CLEAN_TWO: [], LOST: []}
    for n in range(count):
        say(f"sabotage: run {n + 1}/{count} with two workers")
        with driver(folder / "two", cores().generator, workers=2) as two:
            place = Place(folder=folder, driver=two, judge=judge, ask=replace(ask, seed=n + 1))
            place.warm()
            seen[CLEAN_TWO].append(place.run())
            seen[LOST].append(_lose_worker(place))
    return seen


def _hog(place: Place) -> Run:
    with _hogs(place.folder):
        return place.run()


@contextmanager
def _hogs(folder: Path) -> Iterator[None]:
    """Neighbours on the driver's core that are stronger than it: realtime above it, else several."""
    realtime = may_be_realtime()
    with ExitStack() as hogs:
        for _ in range(1 if realtime else ORDINARY_HOGS):
            with standing(cores().generator, realtime=realtime, priority=HOG_PRIORITY):
                hog = Child("hog", str(HOG_BUSY_S), str(HOG_REST_S), log=folder / "hog.log")
            hogs.enter_context(closing(hog))
            hog.hear()
        yield


def _pause(place: Place) -> Run:
    pid = place.driver.open.pid

    def pause(_: int, order: BlockOrder) -> None:
        wait_until(order.start_ns + round(PAUSE_AT_S * NS))
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_until(order.start_ns + round((PAUSE_AT_S + PAUSE_S) * NS))
        finally:
            os.kill(pid, signal.SIGCONT)

    return place.run(pause)


def _small_cap(place: Place) -> Run:
    return replace(place, ask=replace(place.ask, connections=FEW)).run()


def _lose_worker(place: Place) -> Run:
    def lose(k: int, order: BlockOrder) -> None:
        if k == 1:
            wait_until(order.start_ns + round(PAUSE_AT_S * NS))
            os.kill(place.driver.open.worker_pids[-1], signal.SIGKILL)

    return place.run(lose)


_ALONE: dict[str, Callable[[Place], Run]] = {
    CLEAN: Place.run,
    HOG: _hog,
    PAUSED: _pause,
    FEW_CONNECTIONS: _small_cap,
}
