"""What the app counts when its event loop stands still, and when it only works."""

from __future__ import annotations

import asyncio

from sample_app.loop import EVERY_S, GRAIN_S, watch_loop


class Hands:
    """A clock that goes as far as each step says between two looks at it."""

    def __init__(self, *steps: float) -> None:
        self._steps = iter(steps)
        self._now = 0.0
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        self._now += next(self._steps, 0.0)
        return self._now


def noted(*steps: float) -> list[float]:
    """What is noted while a timer takes each of the ``steps``; the watch looks before and after it."""
    found: list[float] = []
    hands = Hands(*(step for pair in zip([0.0] * len(steps), steps, strict=True) for step in pair))

    async def watch() -> None:
        watching = asyncio.create_task(watch_loop(found.append, hands))
        while hands.looks < 2 * len(steps):
            await asyncio.sleep(EVERY_S / 4)
        watching.cancel()

    asyncio.run(watch())
    return found


def test_a_loop_that_stood_still_is_noted_with_how_late_it_was() -> None:
    late = noted(EVERY_S + 0.3, EVERY_S + 0.05)
    assert [round(seconds, 9) for seconds in late] == [0.3, 0.05]


def test_the_grain_of_timers_is_not_noted() -> None:
    assert noted(EVERY_S, EVERY_S + GRAIN_S / 2, EVERY_S - 0.001) == []
