"""A greenlet for each arrival, at most so many at once; the others wait in line, and their waiting is latency."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import gevent
from gevent import Greenlet

from lab.driver.ledger import Ledger

_PATIENCE_S = 1.0  # with greenlets that do not let themselves be ended


class Turns:
    """``act(i)`` serves arrival ``i`` and may block; ``late(i)`` hears of one whose time-out passed in the line.
    Both must see to it that the arrival has an end in the ledger."""

    def __init__(
        self,
        ledger: Ledger,
        cap: int,
        act: Callable[[int], None],
        late: Callable[[int], None],
        broke: Callable[[BaseException], None],
    ) -> None:
        self._ledger = ledger
        self._cap = cap
        self._act = act
        self._late = late
        self._broke = broke
        self._busy: set[Greenlet] = set()
        self._waiting: deque[int] = deque()

    def fire(self, i: int) -> None:
        """Arrival ``i`` is due. Called in the hub; does not block."""
        if self._ledger.ended(i):
            return
        if len(self._busy) < self._cap:
            self._busy.add(gevent.spawn(self._serve, i))
        else:
            self._ledger.queue(i)
            self._waiting.append(i)

    def end(self) -> None:
        """Whatever still runs is given up."""
        self._waiting.clear()
        gevent.killall(list(self._busy), timeout=_PATIENCE_S)
        self._busy.clear()

    def _serve(self, i: int) -> None:
        try:
            self._take(i)
            while self._waiting:
                self._take(self._waiting.popleft())
        except Exception as defect:  # noqa: BLE001 - the block would never end
            self._broke(defect)
        finally:
            self._busy.discard(gevent.getcurrent())

    def _take(self, i: int) -> None:
        if time.monotonic_ns() >= self._ledger.due_ns[i] + self._ledger.timeout_ns:
            self._late(i)
        else:
            self._act(i)
