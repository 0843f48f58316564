"""The least that a proxy on uvloop can be: what one socket says is written to the other. ``python -m parts.forward
PORT`` leads there and says where it listens; it ends with its input."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import cast

import uvloop


class Client(asyncio.Protocol):
    """The side that was accepted; what it says before the other side is there is kept."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._early = b""
        self.to: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.line = cast(asyncio.Transport, transport)
        loop = asyncio.get_running_loop()
        self._dial = loop.create_task(loop.create_connection(lambda: Server(self), "127.0.0.1", self._port))

    def joined(self, to: asyncio.Transport) -> None:
        self.to = to
        to.write(self._early)

    def data_received(self, data: bytes) -> None:
        if self.to is None:
            self._early += data
        else:
            self.to.write(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        if self.to is not None:
            self.to.close()


class Server(asyncio.Protocol):
    """The side that was dialled."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._to = self._client.line
        self._client.joined(cast(asyncio.Transport, transport))

    def data_received(self, data: bytes) -> None:
        self._to.write(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._to.close()


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Client(port), "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    ended = asyncio.Event()

    def read() -> None:
        if not os.read(0, 1 << 16):
            loop.remove_reader(0)
            ended.set()

    loop.add_reader(0, read)
    await ended.wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(int(sys.argv[1])))
