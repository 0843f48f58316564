"""One direction of a connection: from the socket that is read, through its stages, to the socket that is written.

Without stages ``head`` is the writing socket's own ``write``: nothing stands between.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

from lab.link.alarms import Alarm, Alarms
from lab.link.stage import AnyStage
from lab.link.toxic import Stream, Toxic, types

_LINGER_0 = struct.pack("ii", 1, 0)  # closing drops what is not sent yet and sends a reset


class Owner(Protocol):
    """The connection that a flow is one half of."""

    alarms: Alarms

    def chance(self, toxic: Toxic) -> Random: ...

    def flow_ended(self) -> None: ...

    def close(self) -> None: ...

    def reset(self) -> None: ...


class Flow:
    """``passed``: bytes that came in."""

    def __init__(
        self, owner: Owner, stream: Stream, source: asyncio.Transport, sink: asyncio.Transport
    ) -> None:
        self._owner, self.stream, self._source, self._sink = owner, stream, source, sink
        self.head: Callable[[bytes], None] = sink.write
        self.stages: list[tuple[Toxic, AnyStage]] = []
        self.passed = 0
        self.over = False
        self._chances: dict[Toxic, tuple[float, Random]] = {}
        self._ended = False
        self._closes = False
        self._reasons = 0

    def end_of_source(self) -> None:
        """The sender will send no more."""
        self._ended = True
        if self.stages:
            self.stages[0][1].end()
        else:
            self._finish()

    def arrange(self, toxics: Sequence[Toxic]) -> None:
        """Let these stand in the way, in that order; what already stands there stays as it is."""
        wanted = [toxic for toxic in toxics if toxic.stream == self.stream and self._covered_by(toxic)]
        for toxic, stage in reversed(
            self.stages
        ):  # from the end, so that nothing runs into one that goes too
            if toxic not in wanted:
                stage.removed()
                self._link([pair for pair in self.stages if pair[0] is not toxic])
        there = dict(self.stages)
        new = {toxic: self._stage(toxic) for toxic in wanted if toxic not in there}
        self._link([(toxic, there.get(toxic) or new[toxic]) for toxic in wanted])
        for stage in new.values():
            stage.begin()
        self._chances = {toxic: chance for toxic, chance in self._chances.items() if toxic in toxics}

    def change(self, toxic: Toxic) -> None:
        """The toxic has other attributes: what waits by the old ones is delivered at once."""
        for its, stage in self.stages:
            if its is toxic:
                stage.flush()
                stage.attributes = toxic.attributes
                stage.begin()

    def alarm(self, when: float, call: Callable[[], None]) -> Alarm:
        return self._owner.alarms.at(when, call)

    @property
    def stopped(self) -> bool:
        """Whether some stage wants no more for now."""
        return self._reasons > 0

    def stop(self) -> None:
        self._reasons += 1
        if self._reasons == 1 and self._readable():
            self._source.pause_reading()

    def go(self) -> None:
        self._reasons -= 1
        if self._reasons == 0 and self._readable():
            self._source.resume_reading()

    def close_after(self) -> None:
        self._closes = True

    def reset(self) -> None:
        self._owner.reset()

    def silence(self) -> None:
        """The connection is gone: wake up for nothing more."""
        self.over = True
        for _, stage in self.stages:
            stage.sleep()
        self._link([])

    def _covered_by(self, toxic: Toxic) -> bool:
        """Drawn once for each connection and toxic, so that a changed toxicity only adds or only takes away."""
        if toxic not in self._chances:
            random = self._owner.chance(toxic)
            self._chances[toxic] = (random.random(), random)
        return self._chances[toxic][0] < toxic.toxicity

    def _stage(self, toxic: Toxic) -> AnyStage:
        return types()[toxic.type].stage(self, toxic.attributes, self._chances[toxic][1])

    def _link(self, stages: list[tuple[Toxic, AnyStage]]) -> None:
        """Chain them, last one first."""
        self.stages = stages
        on: Callable[[bytes], None] = _drop if self.over else self._sink.write
        finish: Callable[[], None] = self._finish
        for _, stage in reversed(stages):
            stage.on, stage.finish = on, finish
            on, finish = stage.data, stage.end
        self.head = on

    def _finish(self) -> None:
        """The end has come out at the other side."""
        if self.over:
            return
        self.over = True
        self._link(self.stages)
        if self._closes:
            self._owner.close()
        else:
            if not self._sink.is_closing():
                self._sink.write_eof()
            self._owner.flow_ended()

    def _readable(self) -> bool:
        return not self._ended and not self._source.is_closing()


def _drop(_data: bytes) -> None:
    """Nobody is there to read it."""


def reset(transport: asyncio.Transport) -> None:
    """End a TCP connection with a reset; nothing where it has ended already."""
    if not transport.is_closing():
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
    transport.abort()
