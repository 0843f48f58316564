"""A way to the app for workers on other machines: it listens on 127.0.0.1 alone.

Every request through it costs this machine a little, in all arms alike and in the calibration as well. An app
that is down refuses connections; through the relay they are closed instead.
"""

from __future__ import annotations

import socket as plain

import gevent
from gevent.server import StreamServer
from gevent.socket import IPPROTO_TCP, SHUT_WR, TCP_NODELAY, create_connection, socket

_CHUNK = 65536


class Relay:
    """Listens on a free port of ``host`` and passes everything on to ``to``. OSError where it cannot listen."""

    def __init__(self, host: str, to: tuple[str, int]) -> None:
        self._to = to
        self._server = StreamServer((host, 0), self._pass_on, backlog=4096)
        self._server.start()
        self.port: int = self._server.server_port

    def close(self) -> None:
        self._server.stop(timeout=0)

    def _pass_on(self, near: socket, _address: object) -> None:
        try:
            far = create_connection(self._to)
        except OSError:
            near.close()
            return
        for one in (near, far):
            one.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        back = gevent.spawn(_pour, far, near)
        _pour(near, far)
        back.join()
        near.close()
        far.close()


def _pour(source: socket, into: socket) -> None:
    """Until ``source`` ends; then ``into`` gets to know."""
    try:
        while part := source.recv(_CHUNK):
            into.sendall(part)
        into.shutdown(SHUT_WR)
    except OSError:
        for one in (source, into):
            _cut(one)


def _cut(one: socket) -> None:
    try:
        one.shutdown(plain.SHUT_RDWR)
    except OSError:
        return  # it is down already
