"""TCP ports on 127.0.0.1 that stay ours, also while the server behind them is dead."""

from __future__ import annotations

import random
import socket
import threading
from pathlib import Path

from lab.errors import EnvironmentFailed

HOST = "127.0.0.1"
_LOWEST, _HIGHEST = 15_000, 32_000
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")

_lock = threading.Lock()
_handed_out: set[int] = set()
_random = random.SystemRandom()


class PortTaken(EnvironmentFailed):
    """Somebody took a port between choosing and binding it; another one will do."""


def free_port() -> int:
    """A port that nobody listens on and that this process has not handed out yet.

    Taken from below the range that the kernel gives to outgoing connections: else a connection of the
    load could take the port of a server that a fault has just killed. Raises EnvironmentFailed.
    """
    with _lock:
        for _ in range(200):
            port = _random.randrange(_LOWEST, max(_LOWEST + 1, min(_HIGHEST, _first_ephemeral())))
            if port not in _handed_out and is_free(port):
                _handed_out.add(port)
                return port
    raise EnvironmentFailed(
        what="no free TCP port",
        where=f"{HOST}, ports {_LOWEST} to {_HIGHEST}",
        why="200 ports chosen at random were all taken",
        do="see who listens there: ss -ltnp",
    )


def give_back(*ports: int) -> None:
    """Let the ports be handed out again."""
    with _lock:
        _handed_out.difference_update(ports)


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do, past TIME_WAIT
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def _first_ephemeral() -> int:
    try:
        first = int(_EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return _HIGHEST
    return first if first > _LOWEST + 1000 else _HIGHEST
