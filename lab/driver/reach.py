"""Which hosts a load may reach: this machine, and the hosts that were allowed. Imports no Locust.

A user's own code can ask anything. So the driver installs an audit hook of the interpreter (PEP 578), which sees each
address before the kernel does, whichever Python library asks: gevent's sockets, ``connect_ex`` and datagrams
too. It is there against mistakes, not malice: what connects in C (ZeroMQ, which leads to a run's workers; the
resolver) and programs that a user's code starts are not seen.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from socket import AF_UNIX, getaddrinfo
from typing import Any
from urllib.parse import urlsplit

MOST_TOLD = 10
_MOST_KEPT = 100
_LOOKED_UP = "socket.getaddrinfo"
_SEEN = frozenset({_LOOKED_UP, "socket.connect", "socket.sendto", "socket.sendmsg"})

IpAddress = IPv4Address | IPv6Address


class NotAllowed(OSError):
    """Raised in place of a connection; a request fails by it as by any host that cannot be reached."""


@lru_cache(maxsize=1024)
def literal(host: str) -> IpAddress | None:
    """The address that ``host`` is, an IPv4 address in an IPv6 one (``::ffff:127.0.0.1``) unwrapped and without its
    scope; None for a name."""
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


@lru_cache(maxsize=1024)
def _here(host: str) -> bool:
    """What nearly every connection is to, at the price of one look-up."""
    return (known := literal(host)) is not None and known.is_loopback


def addresses_of(host: str) -> frozenset[IpAddress]:
    """All addresses of a name or an address; empty for a name that nobody knows."""
    if (known := literal(host)) is not None:
        return frozenset({known})
    try:
        found = getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return frozenset()
    return frozenset(one for *_, address in found if (one := literal(str(address[0]))) is not None)


def _all_addresses(hosts: Iterable[str]) -> frozenset[IpAddress]:
    return frozenset().union(*map(addresses_of, hosts))


def may_load(url: str, allow: Iterable[str]) -> bool:
    """Whether a load may be pointed at ``url``: one of its addresses is loopback, or of an allowed host. So may what
    has no address at all, which is then found to be unreachable."""
    found = addresses_of(host_of(url))
    if not found or any(one.is_loopback for one in found):
        return True
    return not found.isdisjoint(_all_addresses(allow))


class Reach:
    """What one process may reach: loopback, the hosts in ``allow`` (resolved now, once), Unix sockets."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._allowed = _all_addresses(allow)
        self._ordered: frozenset[IpAddress] = frozenset()
        self._names: dict[str, None] = {}  # that were looked up, so that a refusal can say what was asked
        self._refused: dict[str, None] = {}

    def guard(self) -> None:
        """From now on, and for as long as this process lives."""
        sys.addaudithook(self.audit)

    def order(self, url: str) -> None:
        """Until the next order the host of ``url`` may be reached as well: the one that a master names to its
        worker."""
        self._ordered = addresses_of(host_of(url))

    def permits(self, host: str) -> bool:
        """Whether all that ``host`` stands for may be reached. Sockets of gevent bring addresses, never names."""
        found = addresses_of(host)
        return bool(found) and all(
            one.is_loopback or one in self._allowed or one in self._ordered for one in found
        )

    def audit(self, event: str, args: tuple[Any, ...]) -> None:
        """The hook. NotAllowed (``EHOSTUNREACH``) for an address that may not be reached."""
        if event not in _SEEN:
            return
        if event == _LOOKED_UP:
            self._look_up(args[0])
        elif args[1] is not None:
            host = _text(args[1][0] if isinstance(args[1], tuple) else args[1])
            if not (_here(host) or args[0].family == AF_UNIX or self.permits(host)):
                _remember(self._refused, host)
                raise NotAllowed(errno.EHOSTUNREACH, f"{host} is not this machine, and not an allowed host")

    def kept_off(self) -> tuple[str, ...]:
        """What was refused since this was last asked: names as they were looked up, else addresses; distinct,
        at most ``MOST_TOLD``."""
        refused, self._refused = tuple(self._refused), {}
        if not refused:
            return ()
        names = {address: name for name in tuple(self._names) for address in addresses_of(name)}
        asked = (names.get(address, host) if (address := literal(host)) else host for host in refused)
        return tuple(dict.fromkeys(asked))[:MOST_TOLD]

    def _look_up(self, host: object) -> None:
        name = _text(host) if host else ""
        if name and literal(name) is None:
            _remember(self._names, name)


def _remember(among: dict[str, None], host: str) -> None:
    if len(among) < _MOST_KEPT:
        among.setdefault(host)


def host_of(url: str) -> str:
    """Its host in small letters; empty where it has none."""
    return (urlsplit(url).hostname or "").lower()


def _text(host: object) -> str:
    return host.decode("latin-1") if isinstance(host, bytes | bytearray) else str(host)
