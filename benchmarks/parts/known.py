"""A server whose behaviour is known exactly: ``python -m parts.known SERVICE_S [serial]``.

It answers every GET after a service time, kept by a timerfd, and writes down when it read and when it answered
each request. ``serial`` serves one request at a time, so that its capacity is 1 / SERVICE_S; a request whose
client went away before its turn is left out. Lines of JSON on stdin: ``{"stalls": [[at_ns, length_s], ...]}``
has the whole process stand still then, ``{"account": true}`` answers with ``stalls`` as they really were and
``requests`` as ``[read_ns, done_ns]``, 0 where never answered, and starts a new account.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import cast

from parts.timer import NS, Timer

_BODY = b'{"id": 17, "name": "a thing", "in_stock": true, "price": "12.50"}'
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(_BODY),
    _BODY,
)
_HEAD_END = b"\r\n\r\n"


@dataclass
class Asked:
    """One request. ``row`` is its line in the account: when it was read and when answered."""

    line: asyncio.Transport
    row: list[int]
    due_ns: int


@dataclass
class Account:
    """What really happened; CLOCK_MONOTONIC nanoseconds."""

    stalls: list[tuple[int, int]] = field(default_factory=list)
    requests: list[list[int]] = field(default_factory=list)


class Known:
    """Answers after ``service_ns``: each request by itself, or one after another."""

    def __init__(self, service_ns: int, serial: bool) -> None:
        self.service_ns = service_ns
        self.serial = serial
        self.account = Account()
        self._timer = Timer(blocking=False)
        self._waiting: deque[Asked] = deque()
        self._busy: deque[Asked] = deque()  # in order of their due moments

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._timer.fd, self._ring)
        server = await loop.create_server(lambda: Line(self), "127.0.0.1", 0, backlog=4096)
        commands = Commands(self, loop)
        print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
        await commands.ended.wait()

    def take(self, line: asyncio.Transport, read_ns: int) -> None:
        asked = Asked(line, [read_ns, 0], read_ns + self.service_ns)
        self.account.requests.append(asked.row)
        if self.serial:
            self._waiting.append(asked)
            if not self._busy:
                self._next(read_ns)
            return
        self._busy.append(asked)
        if len(self._busy) == 1:
            self._timer.set(asked.due_ns)

    def _next(self, free_ns: int) -> None:
        """Serial: start the next request whose client is still there, at ``free_ns``."""
        while self._waiting:
            asked = self._waiting.popleft()
            if not asked.line.is_closing():
                asked.due_ns = max(free_ns, asked.row[0]) + self.service_ns
                self._busy.append(asked)
                self._timer.set(asked.due_ns)
                return

    def _ring(self) -> None:
        self._timer.clear()
        while self._busy and self._busy[0].due_ns <= time.monotonic_ns():
            asked = self._busy.popleft()
            if not asked.line.is_closing():  # else its client went away, and writing would be an error
                asked.line.write(_ANSWER)
                asked.row[1] = time.monotonic_ns()
            if self.serial:
                self._next(asked.due_ns)
        if self._busy:
            self._timer.set(self._busy[0].due_ns)

    def stand_still(self, length_s: float) -> None:
        """The fault: nothing of this process runs, and the account says from when to when."""
        start_ns = time.monotonic_ns()
        end_ns = start_ns + round(length_s * NS)
        while (now_ns := time.monotonic_ns()) < end_ns:
            time.sleep((end_ns - now_ns) / NS)
        self.account.stalls.append((start_ns, now_ns))

    def settle(self) -> Account:
        """The account so far; a new one begins."""
        done, self.account = self.account, Account()
        return done


class Line(asyncio.Protocol):
    """One connection, taking GETs, also several at once."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._line = cast(asyncio.Transport, transport)  # uvloop's is one by its methods, not by its class

    def data_received(self, data: bytes) -> None:
        read_ns = time.monotonic_ns()
        *heads, self._rest = (self._rest + data).split(_HEAD_END)
        for _ in heads:
            self._known.take(self._line, read_ns)


class Commands:
    """Lines of JSON on stdin; ``ended`` when there are no more."""

    def __init__(self, known: Known, loop: asyncio.AbstractEventLoop) -> None:
        self._known = known
        self._loop = loop
        self._rest = b""
        self.ended = asyncio.Event()
        loop.add_reader(0, self._read)

    def _read(self) -> None:
        part = os.read(0, 1 << 16)
        if not part:
            self._loop.remove_reader(0)
            self.ended.set()
            return
        *lines, self._rest = (self._rest + part).split(b"\n")
        for line in lines:
            print(json.dumps(self._obey(json.loads(line))), flush=True)

    def _obey(self, command: dict[str, list[tuple[int, float]]]) -> dict[str, object]:
        if "stalls" in command:
            for at_ns, length_s in command["stalls"]:
                wait_s = max(0.0, (at_ns - time.monotonic_ns()) / NS)
                self._loop.call_later(wait_s, self._known.stand_still, length_s)
            return {}
        account = self._known.settle()
        gc.collect()
        return {"stalls": account.stalls, "requests": account.requests}


def main() -> None:
    known = Known(round(float(sys.argv[1]) * NS), "serial" in sys.argv[2:])
    gc.disable()  # a collection would be a stall that the account does not know
    with contextlib.suppress(ImportError):
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(known.serve())


if __name__ == "__main__":
    main()
