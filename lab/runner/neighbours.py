"""Who else used this machine's processors during a block: what all programs used, less what the run did.

A neighbour slows every arm that happens to be measured beside it. It is seen here and not in the latencies,
so the arms are treated alike.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil

from lab.heartbeat import Cpu
from lab.model.stack import Running


@dataclass(frozen=True, kw_only=True)
class Used:
    """Seconds of processor time since some moment: of every program of the machine, and of this run.

    ``capacity_s`` is what all processors together had to give.
    """

    capacity_s: float
    machine_s: float
    run_s: float


class Neighbours:
    """Reads how much of the machine others use. The run is this process, all below it, and the arm.

    Arms in containers are not below this process: what those use that wait for their turn is ``idle_share``
    of the machine, found out once.
    """

    def __init__(self) -> None:
        self._tick_s = 1.0 / os.sysconf("SC_CLK_TCK")
        self._lab = psutil.Process()
        self.idle_share = 0.0

    def watch_idle(self, shares: Mapping[str, float], runnings: Sequence[Running]) -> None:
        """Note what each arm used of one core while nobody asked it anything."""
        below = {process.pid for process in self._below()}
        apart = [one.name for one in runnings if not set(one.pids(one.front)) & below]
        self.idle_share = sum(shares.get(name, 0.0) for name in apart) / (os.cpu_count() or 1)

    def share(self, before: Used, after: Used) -> float:
        """What others used between two readings, of all that the processors had to give."""
        return max(0.0, others_share(before, after) - self.idle_share)

    def read(self, running: Running) -> Used:
        """Now. An arm in containers is not below this process, so it is counted by itself."""
        below = self._below()
        own = sum(map(_cpu_s, below))
        if not set(running.pids(running.front)) & {process.pid for process in below}:
            own += running.cpu_seconds()
        times = Cpu.read()
        return Used(capacity_s=times.total * self._tick_s, machine_s=times.busy * self._tick_s, run_s=own)

    def _below(self) -> list[psutil.Process]:
        return [self._lab, *self._lab.children(recursive=True)]


def others_share(before: Used, after: Used) -> float:
    """The share of all processors' time that other programs used between two readings, from 0 to 1.

    0.0 where the kernel does not tell.
    """
    passed = after.capacity_s - before.capacity_s
    if passed <= 0:
        return 0.0
    others = (after.machine_s - before.machine_s) - (after.run_s - before.run_s)
    return min(1.0, max(0.0, others / passed))


def _cpu_s(process: psutil.Process) -> float:
    """Its own time and that of its children that have ended."""
    try:
        return float(sum(process.cpu_times()[:4]))
    except psutil.Error:
        return 0.0
