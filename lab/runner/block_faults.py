"""The faults of one block: done at their moments while its load is on, or kept away and only counted."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial

from lab.model.scenario import FaultUse
from lab.runner.arms import LiveArm
from lab.runner.clock import Clock
from lab.runner.faults import fault_on
from lab.store import RunFolder

RECUR_FIRST_S, RECUR_S = 0.3, 1.2  # seconds; long enough apart for one event to be over before the next


@dataclass(frozen=True)
class Act:
    """Something else that is done in a block, ``at`` seconds from its start."""

    at: float
    do: Callable[[], None]


@dataclass
class BlockFaults:
    """``uses`` are the faults of each block. ``moments`` are in ns, ``events`` counts them by name."""

    uses: Sequence[FaultUse]
    folder: RunFolder
    clock: Clock
    events: Counter[str] = field(default_factory=Counter)
    moments: list[int] = field(default_factory=list)

    @contextmanager
    def at_their_moments(self, one: LiveArm, start_ns: int, acts: Sequence[Act] = ()) -> Iterator[None]:
        """Waits for each moment and does the fault, or what is done beside it; all faults are undone at the end.

        One after the other: what is done against a fault comes after it, and what takes long delays the rest.
        """
        with ExitStack() as faults:
            steps = [Act(use.at, partial(self._strike, use, one, faults)) for use in self.uses]
            for step in sorted([*steps, *acts], key=_moment):  # of one moment, the fault first
                self.clock.sleep_until(start_ns + int(step.at * 1e9))
                step.do()
            yield

    def _strike(self, use: FaultUse, one: LiveArm, faults: ExitStack) -> None:
        self.moments.append(self.clock.now_ns())
        faults.enter_context(fault_on(use, one, self.folder))
        self._count(use)

    def kept_away(self, start_ns: int) -> None:
        """What is measured for each fault is measured here for each fault that was kept away."""
        for use in sorted(self.uses, key=_moment):
            self.moments.append(start_ns + int(use.at * 1e9))
            self._count(use)

    @contextmanager
    def recurring(self, one: LiveArm, start_ns: int, end_ns: int) -> Iterator[None]:
        """Those that last are on all the time; those that pass come again and again, from a thread of their own,
        while the load between ``start_ns`` and ``end_ns`` gives them something to act on."""
        passing = [use for use in self.uses if use.params.event is not None]
        with ExitStack() as lasting:
            for use in self.uses:
                if use not in passing:
                    lasting.enter_context(fault_on(use, one, self.folder))
            with self._again_and_again(passing, one, start_ns, end_ns) if passing else nullcontext():
                yield

    @contextmanager
    def _again_and_again(
        self, passing: Sequence[FaultUse], one: LiveArm, start_ns: int, end_ns: int
    ) -> Iterator[None]:
        """Once in their event window."""
        over, failed = threading.Event(), list[Exception]()

        def recur() -> None:
            pause_s = max(0.0, (start_ns - self.clock.now_ns()) / 1e9) + RECUR_FIRST_S
            took_ns = 0  # one that would be over after the load might find nothing left to act on
            try:
                while not over.wait(pause_s) and (began_ns := self.clock.now_ns()) + took_ns < end_ns:
                    for use in passing:
                        with fault_on(use, one, self.folder):
                            pass
                    pause_s, took_ns = RECUR_S, self.clock.now_ns() - began_ns
            except Exception as error:  # noqa: BLE001 - told by the thread that waits for this one
                failed.append(error)

        thread = threading.Thread(target=recur, name="recurring faults", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        if failed:
            raise failed[0]

    def _count(self, use: FaultUse) -> None:
        if use.params.event is not None:
            self.events[use.params.event] += 1


def _moment(step: FaultUse | Act) -> float:
    return step.at
