"""A server that does nothing: it answers every request at once with the same few bytes.

What the load generator can do against it is what the generator can do at all on this machine.
``python -m lab.driver.null`` listens on a free port of 127.0.0.1, says ``{"port": 40123}`` in one line, and
ends with its standard input. It reads no more of a request than where it ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from typing import cast

HOST = "127.0.0.1"
BODY = b'{"answer": "at once"}'
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)
) + BODY

_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*\r\n", re.IGNORECASE)


def whole_requests(received: bytes) -> tuple[int, bytes]:
    """How many complete requests there are at the start, and what is left of the next one."""
    found, at = 0, 0
    while (end := received.find(_END, at)) >= 0:
        length = _LENGTH.search(received, at, end + 2)
        after = end + len(_END) + (int(length[1]) if length else 0)
        if after > len(received):
            break
        found, at = found + 1, after
    return found, received[at:]


class NullProtocol(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own are no subclasses

    def data_received(self, data: bytes) -> None:
        found, self._rest = whole_requests(self._rest + data if self._rest else data)
        if found and self._transport is not None:
            self._transport.write(ANSWER * found)


async def serve() -> None:
    """Answer until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(NullProtocol, HOST, 0, backlog=4096)
    over = asyncio.Event()
    loop.add_reader(0, lambda: None if os.read(0, 64) else over.set())
    sys.stdout.write(json.dumps({"port": server.sockets[0].getsockname()[1]}) + "\n")
    sys.stdout.flush()
    await over.wait()
    os._exit(0)  # nobody waits for the answers that are still on their way


def main() -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve())
    else:
        uvloop.run(serve())


if __name__ == "__main__":
    main()
