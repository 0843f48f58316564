"""Requests of the *fast* executor that failed and are to be sent once more. Everything runs in the hub."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from gevent import get_hub

if TYPE_CHECKING:
    from lab.driver.fast.lane import Lane


class Again:
    """The pauses of one block between a failure and the next try: always ``after_s`` seconds, as clients do that
    neither spread their tries nor count them."""

    def __init__(self, lane: Lane, after_s: float, broke: Callable[[BaseException], None]) -> None:
        self._lane = lane
        self._after_s = after_s
        self._broke = broke
        self._loop: Any = get_hub().loop
        self._pausing: dict[int, Any] = {}

    def after_pause(self, i: int) -> None:
        """Request ``i`` has failed: send it when its pause is over."""
        self._pausing[i] = timer = self._loop.timer(self._after_s)
        timer.start(self._send, i, update=True)

    def end(self) -> None:
        """Nothing is sent any more."""
        while self._pausing:
            self._pausing.popitem()[1].close()

    def _send(self, i: int) -> None:
        self._pausing.pop(i).close()
        lane = self._lane
        try:
            lane.fire(i)
            if lane.pacer.next_ns <= monotonic_ns():
                lane.pacer.catch_up()  # a wave of tries must not hold up what is due
        except Exception as defect:  # noqa: BLE001 - the hub would print it and the block would never end
            self._broke(defect)
