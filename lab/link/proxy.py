"""One proxy: where it listens, where it leads, its toxics and its open connections."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

from lab.link.address import Address
from lab.link.alarms import Alarms
from lab.link.asked import ProxyAsked
from lab.link.connection import Connection
from lab.link.refused import Refused, no_toxic, toxic_exists
from lab.link.toxic import STREAMS, Toxic

_BACKLOG = 4096


class Proxy:
    """``fail_first``: so many of the next new connections are reset."""

    def __init__(self, asked: ProxyAsked, alarms: Alarms, seed: str) -> None:
        self.name = asked.name
        self.listen, self.upstream = asked.listen, asked.upstream
        self.wanted = asked.listen  # as it was written: a name, or port 0
        self.alarms = alarms
        self.seed = f"{seed}/{asked.name}"
        self.target: Address
        self.toxics: list[Toxic] = []
        self.connections: set[Connection] = set()
        self.fail_first = 0
        self._server: asyncio.Server | None = None
        self._accepted = 0
        self._made = 0

    @property
    def enabled(self) -> bool:
        return self._server is not None

    async def start(self) -> None:
        """Listen. Refused with the reason, in Toxiproxy's words, where that is not possible."""
        if self._server is not None:
            return
        self.target = _address(self.upstream)
        listening = await _listening(self.listen)
        try:
            made: Callable[[], asyncio.Protocol] = lambda: Connection(self).client  # noqa: E731
            self._server = await asyncio.get_running_loop().create_server(
                made, sock=listening, backlog=_BACKLOG
            )
        except BaseException:
            listening.close()
            raise
        self.listen = str(Address.of(listening.getsockname()))

    def stop(self) -> None:
        """Listen no more and cut what is open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in tuple(self.connections):
            connection.cut()

    async def become(self, asked: ProxyAsked) -> None:
        """Another address on either side means that open connections are cut."""
        if not self.is_at(asked):
            self.stop()
            self.wanted = self.listen = asked.listen
            self.upstream = asked.upstream
        if asked.enabled:
            await self.start()
        else:
            self.stop()

    def is_at(self, asked: ProxyAsked) -> bool:
        """Whether it has these addresses already, as they were written or as they turned out."""
        return asked.listen in (self.listen, self.wanted) and asked.upstream == self.upstream

    def toxic(self, name: str) -> Toxic:
        for toxic in self.toxics:
            if toxic.name == name:
                return toxic
        raise no_toxic()

    def add(self, toxic: Toxic) -> None:
        """At the end of its direction, on new and open connections."""
        if any(other.name == toxic.name for other in self.toxics):
            raise toxic_exists()
        self._made += 1
        toxic.number = self._made
        self._set([*self.toxics, toxic])

    def change(self, toxic: Toxic, toxicity: float, attributes: object) -> None:
        toxic.toxicity, toxic.attributes = toxicity, attributes
        for connection in tuple(self.connections):
            connection.change(toxic)
        self._set(self.toxics)

    def remove(self, toxic: Toxic) -> None:
        self._set([other for other in self.toxics if other is not toxic])

    def heal(self) -> None:
        """No toxics, and no connection more is to fail."""
        self.fail_first = 0
        self._set([])

    def admit(self, connection: Connection) -> int | None:
        self._accepted += 1
        if self.fail_first:
            self.fail_first -= 1
            return None
        self.connections.add(connection)
        return self._accepted

    def forget(self, connection: Connection) -> None:
        self.connections.discard(connection)

    def asked(self) -> ProxyAsked:
        """What would make it as it is."""
        return ProxyAsked(name=self.name, listen=self.listen, upstream=self.upstream, enabled=self.enabled)

    def shown_toxics(self) -> list[dict[str, object]]:
        return [toxic.shown() for stream in STREAMS for toxic in self.toxics if toxic.stream == stream]

    def shown(self) -> dict[str, object]:
        """As the API shows it."""
        return {
            "name": self.name,
            "listen": self.listen,
            "upstream": self.upstream,
            "enabled": self.enabled,
            "toxics": self.shown_toxics(),
        }

    def _set(self, toxics: list[Toxic]) -> None:
        self.toxics = toxics
        for connection in tuple(self.connections):
            connection.arrange(toxics)


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except ValueError as wrong:
        raise Refused(500, str(wrong)) from None


async def _listening(text: str) -> socket.socket:
    """A socket that listens there. Of a name with several addresses the first IPv4 one is taken."""
    try:
        wanted = Address.parse(text)
        found = await asyncio.get_running_loop().getaddrinfo(
            wanted.host, wanted.port, type=socket.SOCK_STREAM
        )
        family, _, _, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except ValueError as wrong:
        raise Refused(500, f"listen tcp: {wrong}") from None
    except socket.gaierror as unknown:
        raise Refused(500, f"listen tcp: lookup {wanted.host}: {unknown.strerror}") from None
    except OSError as failed:
        why = os.strerror(failed.errno).lower() if failed.errno else str(failed)
        raise Refused(500, f"listen tcp {wanted}: bind: {why}") from None
