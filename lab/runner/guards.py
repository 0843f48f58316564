"""Stop conditions: what ends a run at once, with every fault undone and exit code 6."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from lab.errors import Exit, LabError
from lab.model.load import BlockLoad
from lab.model.scenario import Stop
from lab.runner.clock import Clock


@dataclass
class Stopped(LabError):
    """A stop condition held."""

    exit: Exit = Exit.GUARD


def _free_disk(folder: Path) -> float:
    return float(psutil.disk_usage(str(folder)).free)


def _free_memory() -> float:
    return float(psutil.virtual_memory().available)


@dataclass
class Guards:
    """Looks at the machine, the clock and the answers between blocks; a block lasts a few seconds at most."""

    stop: Stop
    folder: Path
    clock: Clock
    free_disk: Callable[[Path], float] = _free_disk
    free_memory: Callable[[], float] = _free_memory
    _began_ns: int = field(init=False)
    _failing: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self._began_ns = self.clock.now_ns()

    def look(self) -> None:
        """Raises :class:`Stopped` where the machine runs short, the time is over, or too much has failed."""
        if self._failing:
            raise _stopped("error_share", self._failing, "see the log of the app")
        disk, memory = self.free_disk(self.folder), self.free_memory()
        if disk < self.stop.disk_free:
            raise _stopped("disk_free", f"{disk / 1e6:,.0f} MB are free in {self.folder}", "free some disk")
        if memory < self.stop.memory_free:
            raise _stopped("memory_free", f"{memory / 1e6:,.0f} MB of memory are left", "end what uses it")
        seconds = (self.clock.now_ns() - self._began_ns) / 1e9
        if self.stop.time is not None and seconds > self.stop.time:
            raise _stopped("time", f"{seconds:.0f} s are over", "allow more, or measure fewer fixes")

    def after(self, load: BlockLoad, arm: str) -> None:
        """Note a block in which more requests failed than may; the next :meth:`look` stops the run.

        Not at once, so that the block is kept.
        """
        most = self.stop.error_share
        if most is None or not len(load.samples):
            return
        failed = float(np.mean(load.failed))
        if failed > most:
            self._failing = (
                f"{failed:.0%} of the requests failed in a block of arm {arm} (at most {most:.0%})"
            )


def _stopped(condition: str, why: str, do: str) -> Stopped:
    return Stopped(f"a stop condition ended the run: {condition}", where=f"stop.{condition}", why=why, do=do)
