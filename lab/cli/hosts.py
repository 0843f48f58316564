"""``--allow-host``: what may be loaded beside this machine, checked before anything starts."""

from __future__ import annotations

from collections.abc import Sequence

from lab.driver.reach import addresses_of
from lab.errors import LabError


def allowed(hosts: Sequence[str]) -> tuple[str, ...]:
    """The hosts as typed, each once. LabError for what is no host and for a name that nobody knows."""
    for host in hosts:
        if not host or set("/@[]") & set(host) or (":" in host and not addresses_of(host)):
            raise LabError(
                f"{host!r} is not a host",
                where="--allow-host",
                do="give a name or an address alone: shop.example, 192.0.2.7 or 2001:db8::7",
            )
        if not addresses_of(host):
            raise LabError(
                f"nobody knows {host}", where="--allow-host", do="correct it, or mend the name's entry"
            )
    return tuple(dict.fromkeys(hosts))
