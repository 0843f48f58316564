"""The faults of one block: done at their moments while its load is on, or kept away and only counted."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from lab.model.scenario import FaultUse
from lab.runner.arms import LiveArm
from lab.runner.clock import Clock
from lab.runner.faults import fault_on
from lab.store import RunFolder

RECUR_FIRST_S, RECUR_S = 0.3, 1.2  # seconds; long enough apart for one event to be over before the next


@dataclass
class BlockFaults:
    """``uses`` are the faults of each block. ``moments`` are in ns, ``events`` counts them by name."""

    uses: Sequence[FaultUse]
    folder: RunFolder
    clock: Clock
    events: Counter[str] = field(default_factory=Counter)
    moments: list[int] = field(default_factory=list)

    @contextmanager
    def at_their_moments(self, one: LiveArm, start_ns: int) -> Iterator[None]:
        """Waits for each moment and does the fault; all are undone at the end."""
        with ExitStack() as faults:
            for use in sorted(self.uses, key=_offset):
                self.clock.sleep_until(start_ns + int(use.at * 1e9))
                self.moments.append(self.clock.now_ns())
                faults.enter_context(fault_on(use, one, self.folder))
                self._count(use)
            yield

    def kept_away(self, start_ns: int) -> None:
        """What is measured for each fault is measured here for each fault that was kept away."""
        for use in sorted(self.uses, key=_offset):
            self.moments.append(start_ns + int(use.at * 1e9))
            self._count(use)

    @contextmanager
    def recurring(self, one: LiveArm) -> Iterator[None]:
        """Again and again, once in their event window, from a thread of their own."""
        over, failed = threading.Event(), list[Exception]()

        def recur() -> None:
            pause_s = RECUR_FIRST_S
            try:
                while not over.wait(pause_s):
                    pause_s = RECUR_S
                    for use in self.uses:
                        with fault_on(use, one, self.folder):
                            pass
            except Exception as error:  # noqa: BLE001 - told by the thread that waits for this one
                failed.append(error)

        thread = threading.Thread(target=recur, name="recurring faults", daemon=True)
        if self.uses:
            thread.start()
        try:
            yield
        finally:
            over.set()
            if self.uses:
                thread.join()
        if failed:
            raise failed[0]

    def _count(self, use: FaultUse) -> None:
        if use.params.event is not None:
            self.events[use.params.event] += 1


def _offset(use: FaultUse) -> float:
    return use.at
