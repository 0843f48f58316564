"""CPU time bounded without any right to: processes are stopped for a part of every 20 ms.

A process of its own (``python -m lab.stacks._stop_and_go CORES``): it reads pids of trees, one a line, and
lets all go on when its input ends, because the lab did. What the trees used is read each time, and what
was too much is taken off the next period, so that their mean share is what was asked, whatever they do.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import psutil

from lab.stacks._tree import cpu_seconds, go_on, stand, stand_still, tree

_PERIOD_S = 0.02


class StopAndGo:
    """The lab's end of such a process, in the place of a control group."""

    by: ClassVar[str] = "stop and go, 20 ms"

    def __init__(self, cores: float, own: Callable[[Mapping[str, Any]], None]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "lab.stacks._stop_and_go", str(cores)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            start_new_session=True,
        )
        own({"process": self._process.pid})
        assert self._process.stdout is not None
        self._process.stdout.readline()  # it goes now: until then nothing is bounded

    def take(self, root: int) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"%d\n" % root)
        self._process.stdin.flush()

    def hold(self) -> None:
        """Signals no more: what stands still for another reason must not be sent on its way."""
        stand_still([self._process.pid])

    def let_go(self) -> None:
        go_on([self._process.pid])

    def close(self) -> None:
        """End it, whatever it is at; whoever it has stopped still stands then."""
        self._process.kill()
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()


def _used_s(roots: set[int]) -> float:
    return sum(cpu_seconds(pid) for root in roots for pid in tree(root))


def _running(roots: list[psutil.Process]) -> set[int]:
    """Their numbers. One that has ended is dropped: its number may be somebody else's by now."""
    for one in [*roots]:
        if not one.is_running():
            roots.remove(one)
    return {one.pid for one in [*roots]}


def _cycle(cores: float, roots: list[psutil.Process], ended: threading.Event) -> None:
    used, at, debt, demand = _used_s(_running(roots)), time.monotonic(), 0.0, 1.0
    while not ended.is_set():
        known = _running(roots)
        go_for = min(_PERIOD_S, max(0.0, cores * _PERIOD_S - debt) / demand)
        began = time.monotonic()
        if go_for > 0:
            go_on(known)
            ended.wait(go_for)
        went = time.monotonic() - began
        if go_for < _PERIOD_S:
            stand(known)
            ended.wait(_PERIOD_S - go_for)
        last, used, before, at = used, _used_s(known), at, time.monotonic()
        spent = max(0.0, used - last)  # less than none where a process has ended
        debt = max(-cores * _PERIOD_S, debt + spent - cores * (at - before))
        if go_for > 0:
            demand = min(float(os.cpu_count() or 1), max(0.1, (demand + spent / went) / 2))


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    roots, ended = list[psutil.Process](), threading.Event()

    def listen() -> None:
        for line in sys.stdin:
            with contextlib.suppress(psutil.NoSuchProcess):
                roots.append(psutil.Process(int(line)))
        ended.set()

    threading.Thread(target=listen, daemon=True).start()
    print("ready", flush=True)
    try:
        _cycle(float(sys.argv[1]), roots, ended)
    finally:
        go_on(_running(roots))
    return 0


if __name__ == "__main__":
    sys.exit(main())
