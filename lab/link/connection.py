"""One connection through a proxy: the client's socket, the upstream's, and a flow each way."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from random import Random
from typing import Protocol, cast

from lab.link.address import Address
from lab.link.alarms import Alarms
from lab.link.flow import Flow, reset
from lab.link.toxic import Toxic


class Proxy(Protocol):
    """What a connection needs of its proxy."""

    alarms: Alarms
    target: Address
    toxics: list[Toxic]
    seed: str

    def admit(self, connection: Connection) -> int | None:
        """The connection's number, or None: it shall fail."""

    def forget(self, connection: Connection) -> None: ...


class Early:
    """What a client says before the upstream answers; it is read at most once. (Reading cannot be paused from the
    outset: uvloop begins it after ``connection_made``.)"""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._pieces: list[bytes] = []
        self._ended = False
        self.passed = 0

    def head(self, data: bytes) -> None:
        self._pieces.append(data)
        self._transport.pause_reading()

    def end_of_source(self) -> None:
        self._ended = True

    def pour(self, flow: Flow) -> None:
        """Into the flow that is there now."""
        flow.passed += self.passed
        for piece in self._pieces:
            flow.head(piece)
        if self._ended:
            flow.end_of_source()
        elif self._pieces and not flow.stopped:
            self._transport.resume_reading()


class Side(asyncio.Protocol):
    """One socket: what it reads goes into one flow, what comes out of the other is written to it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.reads: Flow | Early
        self.writes: Flow | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one by its methods only
        self.connection.made(self)

    def data_received(self, data: bytes) -> None:
        reads = self.reads
        reads.passed += len(data)
        reads.head(data)

    def eof_received(self) -> bool:
        self.reads.end_of_source()
        return True  # it may still be written to

    def pause_writing(self) -> None:
        if self.writes is not None:
            self.writes.stop()

    def resume_writing(self) -> None:
        if self.writes is not None:
            self.writes.go()

    def connection_lost(self, exc: Exception | None) -> None:
        self.connection.lost(exc)


class Connection:
    """Begins with the client's socket; the upstream is dialled then, and nothing is read until it answers."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self.alarms = proxy.alarms
        self.opened_at = time.time()
        self.number = 0
        self.client = Side(self)
        self.upstream = Side(self)
        self.flows: tuple[Flow, ...] = ()
        self._dial: asyncio.Task[None] | None = None
        self._sides = 0

    def made(self, side: Side) -> None:
        """One of the sockets is connected."""
        self._sides += 1
        if side is self.client:
            self._accepted()
        elif self.client.transport.is_closing():
            side.transport.abort()
        else:
            self._join()

    def arrange(self, toxics: Sequence[Toxic]) -> None:
        for flow in self.flows:
            flow.arrange(toxics)

    def change(self, toxic: Toxic) -> None:
        for flow in self.flows:
            flow.change(toxic)

    def chance(self, toxic: Toxic) -> Random:
        """The same for the same seed, connection and toxic, whatever else happens."""
        return Random(f"{self._proxy.seed}/{self.number}/{toxic.number}")

    def flow_ended(self) -> None:
        if all(flow.over for flow in self.flows):
            self.close()

    def close(self) -> None:
        """Both sides, once they have got what was written to them."""
        for side in self._open():
            side.transport.close()

    def reset(self) -> None:
        """Both sides with a TCP reset."""
        for side in self._open():
            reset(side.transport)

    def cut(self) -> None:
        """Both sides at once; what was not sent is lost."""
        if self._dial is not None:
            self._dial.cancel()
        for side in self._open():
            side.transport.abort()

    def lost(self, why: Exception | None) -> None:
        """One socket is gone. By a reset: the other one is reset too."""
        self._sides -= 1
        for flow in self.flows:
            flow.silence()
        if why is not None:
            self.reset()
        elif self._sides:
            self.close()
        if not self._sides:
            self._proxy.forget(self)

    def shown(self) -> dict[str, object]:
        """As the API lists it. ``opened_at`` in seconds since 1970; sizes in bytes that came in."""
        passed = {flow.stream: flow.passed for flow in self.flows}
        covering = {toxic.name for flow in self.flows for toxic, _ in flow.stages}
        return {
            "client": self._peer(self.client),
            "upstream": self._peer(self.upstream),
            "opened_at": round(self.opened_at, 3),
            "bytes_upstream": passed.get("upstream", 0),
            "bytes_downstream": passed.get("downstream", 0),
            "toxics": [toxic.name for toxic in self._proxy.toxics if toxic.name in covering],
        }

    def _accepted(self) -> None:
        number = self._proxy.admit(self)
        if number is None:
            reset(self.client.transport)
            return
        self.number = number
        self.client.reads = Early(self.client.transport)
        self._dial = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        target = self._proxy.target
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: self.upstream, target.host, target.port
            )
        except OSError:
            reset(self.client.transport)  # as near as can be to the refusal that the client would have met
        finally:
            self._dial = None

    def _join(self) -> None:
        client, upstream = self.client, self.upstream
        there = Flow(self, "upstream", client.transport, upstream.transport)
        back = Flow(self, "downstream", upstream.transport, client.transport)
        early, client.reads = client.reads, there
        upstream.writes = there
        client.writes = upstream.reads = back
        self.flows = (there, back)
        self.arrange(self._proxy.toxics)
        assert isinstance(early, Early)
        early.pour(there)

    def _open(self) -> list[Side]:
        return [side for side in (self.client, self.upstream) if hasattr(side, "transport")]

    @staticmethod
    def _peer(side: Side) -> str:
        with contextlib.suppress(AttributeError, OSError, TypeError):
            return str(Address.of(side.transport.get_extra_info("peername")))
        return ""
