"""The command line of ``python -m lab.driver``. Pure.

``allow`` are the hosts that may be reached beside this machine (see ``reach``).
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Address:
    """``HOST:PORT``; an IPv6 host stands in brackets. ValueError for anything else."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        host, colon, port = text.rpartition(":")
        host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65536):
            raise ValueError(f"{text!r} is not HOST:PORT")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Alone:
    """All requests from one process."""

    started_ns: int
    allow: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lead:
    """A master: ``workers`` are forked here, ``join`` come from elsewhere within ``wait_s``."""

    started_ns: int
    workers: int
    join: int
    listen: Address
    wait_s: float
    allow: tuple[str, ...] = ()


@dataclass(frozen=True)
class Work:
    """A worker of ``master``, which has ``wait_s`` to answer. ``forked``: stdin is the master's pipe."""

    master: Address
    wait_s: float
    forked: bool
    allow: tuple[str, ...] = ()


def options(words: Sequence[str]) -> Alone | Lead | Work:
    """What is asked for; ends the process with a message where that makes no sense."""
    parser = ArgumentParser(prog="python -m lab.driver")
    parser.add_argument("started_ns", type=int, nargs="?", default=0)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--join", type=int, default=0)
    parser.add_argument("--listen", type=Address.parse, default=Address("127.0.0.1", 0))
    parser.add_argument("--wait", type=float, default=60.0)
    parser.add_argument("--master", type=Address.parse)
    parser.add_argument("--forked", action="store_true")
    parser.add_argument("--allow", action="append", default=[])
    found = parser.parse_args(words)
    allow = tuple(found.allow)
    if found.master is not None:
        return Work(master=found.master, wait_s=found.wait, forked=found.forked, allow=allow)
    if found.workers + found.join:
        return Lead(found.started_ns, found.workers, found.join, found.listen, found.wait, allow)
    return Alone(found.started_ns, allow)
