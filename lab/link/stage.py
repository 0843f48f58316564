"""What a toxic does to one direction of one connection: the base of all toxics.

Data comes in by ``data`` and ``end``, in order, and leaves by ``on`` and ``finish``. A stage that keeps something
back says how much (``hold``), so that the sender is paused, and delivers it when it is removed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any, Generic, Protocol, TypeVar

from lab.link.alarms import NEVER, Alarm, now

A = TypeVar("A")

KEPT = 1 << 16


class Way(Protocol):
    """What a stage needs of the direction that it stands in."""

    def alarm(self, when: float, call: Callable[[], None]) -> Alarm: ...

    def stop(self) -> None:
        """Read no more from the sender; each call needs one of ``go``."""

    def go(self) -> None: ...

    def close_after(self) -> None:
        """Let the end of this direction, when it arrives, close the whole connection."""

    def reset(self) -> None:
        """Both sides get a TCP reset, now."""


class Stage(Generic[A]):
    """Passes everything on. ``limit``: bytes that it may hold before the sender is paused."""

    limit = KEPT

    def __init__(self, way: Way, attributes: A, random: Random) -> None:
        self.attributes = attributes
        self.random = random
        self.on: Callable[[bytes], None]
        self.finish: Callable[[], None]
        self._way = way
        self._alarm: Alarm | None = None
        self._held = 0
        self._stopped = False

    def begin(self) -> None:
        """The toxic covers this connection from now on, or its attributes have changed."""

    def data(self, piece: bytes) -> None:
        """Some bytes came."""
        self.on(piece)

    def end(self) -> None:
        """The sender will send no more."""
        self.finish()

    def due(self) -> None:
        """The moment asked for by ``wake`` has come."""

    def flush(self) -> None:
        """Deliver what waits, at once."""
        self.sleep()

    def removed(self) -> None:
        """The toxic does not cover this connection any more: leave no trace."""
        self.flush()

    def wake(self, when: float) -> None:
        """Call ``due`` at that moment, in place of an earlier wish."""
        self.sleep()
        if when != NEVER:
            self._alarm = self._way.alarm(when, self.due)

    def sleep(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def hold(self, size: int) -> None:
        """``size`` bytes more are kept back (fewer where it is negative)."""
        self._held += size
        if not self._stopped and self._held > self.limit:
            self._stopped = True
            self._way.stop()
        elif self._stopped and self._held <= self.limit // 2:
            self._stopped = False
            self._way.go()

    def close(self) -> None:
        """Close the connection once everything that was passed on has been delivered."""
        self._way.close_after()
        self.finish()

    def reset(self) -> None:
        self._way.reset()


class Queue(Stage[A]):
    """A stage that delivers each piece at a moment of its own, in order."""

    def __init__(self, way: Way, attributes: A, random: Random) -> None:
        super().__init__(way, attributes, random)
        self._waiting: deque[tuple[float, bytes]] = deque()  # an empty piece is the end

    def put(self, when: float, piece: bytes) -> None:
        """Deliver at ``when``, and not before what was put earlier; an empty piece stands for the end."""
        self._waiting.append((when, piece))
        self.hold(len(piece))
        if len(self._waiting) == 1 and when != NEVER:
            self.wake(when)

    def take(self) -> None:
        """Deliver the first piece."""
        _, piece = self._waiting.popleft()
        self.hold(-len(piece))
        if piece:
            self.on(piece)
        else:
            self.finish()

    def due(self) -> None:
        self.take()
        limit = now()
        while self._waiting and self._waiting[0][0] <= limit:
            self.take()
        self.again()

    def again(self) -> None:
        """Wait for the first piece, if there is one."""
        if self._waiting:
            self.wake(self._waiting[0][0])

    def flush(self) -> None:
        self.sleep()
        while self._waiting:
            self.take()


AnyStage = Stage[Any]
