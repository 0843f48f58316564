"""How punctual the event loop is. While one request keeps it busy, all the others wait, and so do its timers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

EVERY_S = 0.02
GRAIN_S = 0.005  # less is the grain of timers, and of a loop that has many short things to do


async def watch_loop(note: Callable[[float], None], clock: Callable[[], float] = time.monotonic) -> None:
    """Set a timer again and again, and note by how many seconds it rang late.

    What is noted adds up: whoever reads the sum now and then misses nothing, unlike with a worst or a last value.
    A loop that stood still for t seconds is noted with t, less half of ``EVERY_S`` on average.
    """
    while True:
        due = clock() + EVERY_S
        await asyncio.sleep(EVERY_S)
        late_s = clock() - due
        if late_s > GRAIN_S:
            note(late_s)
