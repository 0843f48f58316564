"""Both ends of a connection in one process, so that one clock tells how long the way between them takes."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_DEADLINE_S = 30.0
_PAYLOAD = bytes(100)


@dataclass(frozen=True)
class Ends:
    """``client`` was connected to some port, ``server`` is what it came out at."""

    client: socket.socket
    server: socket.socket

    def round_trip_s(self) -> float:
        """100 bytes there and back."""
        began = time.perf_counter()
        self.client.sendall(_PAYLOAD)
        _read(self.server, len(_PAYLOAD))
        self.server.sendall(_PAYLOAD)
        _read(self.client, len(_PAYLOAD))
        return time.perf_counter() - began

    def one_way_s(self) -> float:
        """100 bytes from the server to the client."""
        began = time.perf_counter()
        self.server.sendall(_PAYLOAD)
        _read(self.client, len(_PAYLOAD))
        return time.perf_counter() - began

    def transfer_s(self, size: int) -> float:
        """So many bytes, said in one breath, from the server to the client."""
        sender = threading.Thread(target=self.server.sendall, args=(bytes(size),))
        began = time.perf_counter()
        sender.start()
        _read(self.client, size)
        took = time.perf_counter() - began
        sender.join()
        return took


@contextlib.contextmanager
def ends(listener: socket.socket, port: int) -> Iterator[Ends]:
    """Connect to ``port`` of loopback; what arrives at the listener is the other end."""
    with socket.create_connection(("127.0.0.1", port), timeout=_DEADLINE_S) as client:
        listener.settimeout(_DEADLINE_S)
        server, _ = listener.accept()
        with server:
            for end in (client, server):
                end.settimeout(_DEADLINE_S)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield Ends(client, server)


def cpu_ns(pid: int) -> int:
    """CPU time of a process of one thread, as the scheduler counts it."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def _read(end: socket.socket, size: int) -> None:
    while size:
        part = end.recv(min(size, 1 << 18))
        if not part:
            raise ConnectionError("the way between the ends was cut")
        size -= len(part)
