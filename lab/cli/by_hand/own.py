"""Servers that lab did not start, for its probes to look at: an app, a Postgres, a Redis by their addresses."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, cast
from urllib.parse import urlsplit

import psutil

from lab.errors import LabError
from lab.model.stack import Running

_OPTIONS = {"app": "--url (or --pid)", "postgres": "--dsn", "redis": "--redis-url"}
_PORTS = {"http": 80, "https": 443, "redis": 6379, "rediss": 6379}
_HERE = ("127.0.0.1", "localhost", "::1")
_TAIL = 4_000_000  # bytes of a log, which may be of any size
_CONNECT_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Named:
    """What the command line names. ``logs`` as SERVICE=FILE."""

    url: str = ""
    dsn: str = ""
    redis_url: str = ""
    pid: int | None = None
    logs: Sequence[str] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.url or self.dsn or self.redis_url or self.pid)


def own(named: Named) -> Running:
    """As far as a probe can tell, a stack. Raises LabError for what is no address."""
    addresses = {}
    if named.url or named.pid:
        addresses["app"] = _address("--url", named.url) if named.url else ("127.0.0.1", 0)
    if named.dsn:
        addresses["postgres"] = _of_postgres(named.dsn)
    if named.redis_url:
        addresses["redis"] = _address("--redis-url", named.redis_url)
    return cast(Running, _Own(named, addresses, _files(named.logs)))


def refuse_unnamed(kind: str, probe: object, running: Running) -> None:
    """LabError where the probe needs a server that was not named."""
    needs = set(getattr(probe, "needs", ())) & set(_OPTIONS)
    missing = sorted(needs - set(running.services))
    if "app" in needs and not running.url and not hasattr(probe, "of"):
        missing = ["app", *missing]
    if missing:
        raise LabError(
            f"{kind} needs {' and '.join(missing)}",
            why="lab looks at nothing that was not named",
            do=f"add {' and '.join(_OPTIONS[one] for one in missing)}",
        )


class _Own:
    """The part of Running that probes look through; all of it reads, and what would change something refuses."""

    name = "your own servers"
    front = "app"
    instances = ("app",)

    def __init__(
        self, named: Named, addresses: Mapping[str, tuple[str, int]], logs: Mapping[str, Path]
    ) -> None:
        self.url = named.url.rstrip("/")
        self.dsn, self.redis_url = named.dsn, named.redis_url
        self.versions: Mapping[str, str] = {}
        self.services = tuple(addresses)
        self._addresses, self._logs, self._pid = addresses, logs, named.pid

    def address(self, service: str) -> tuple[str, int]:
        if service not in self._addresses:
            raise LabError(f"which {service}?", do=f"add {_OPTIONS.get(service, 'its address')}")
        return self._addresses[service]

    def logs(self, service: str, lines: int = 20) -> str:
        file = self._logs.get(service)
        if file is None:
            return f"(which file is the log of {service}? --log {service}=FILE)"
        try:
            with file.open("rb") as log:
                log.seek(max(0, file.stat().st_size - _TAIL))
                return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
        except OSError as error:
            return f"(the log of {service} cannot be read: {error})"

    def alive(self, service: str) -> bool:
        if service == "app" and self._pid is not None:
            return psutil.pid_exists(self._pid)
        try:
            socket.create_connection(self.address(service), _CONNECT_S).close()
        except OSError:
            return False
        return True

    def pids(self, service: str) -> tuple[int, ...]:
        first = self._pid if service == "app" and self._pid is not None else _listener(*self.address(service))
        try:
            return (
                () if first is None else (first, *(one.pid for one in psutil.Process(first).children(True)))
            )
        except psutil.Error:
            return ()

    def cpu_seconds(self, service: str | None = None) -> float:
        total = 0.0
        for pid in self._all_pids(service):
            with contextlib.suppress(psutil.Error):
                used = psutil.Process(pid).cpu_times()
                total += used.user + used.system
        return total

    def memory_mb(self, service: str) -> float:
        held = 0
        for pid in self._all_pids(service):
            with contextlib.suppress(psutil.Error):
                memory = psutil.Process(pid).memory_info()
                held += memory.rss - getattr(memory, "shared", 0)
        return held / 1e6

    def _all_pids(self, service: str | None) -> list[int]:
        return [pid for one in ([service] if service else self.services) for pid in self.pids(one)]

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise LabError(
            "lab only looks at your own servers",
            why=f"this would be for a stack that it may change ({name})",
            do="lab up, then the same command without addresses",
        )


def _address(option: str, url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    with contextlib.suppress(ValueError):
        if parts.hostname and parts.scheme in _PORTS:
            return parts.hostname, parts.port or _PORTS[parts.scheme]
    example = "redis://127.0.0.1:6379/0" if option == "--redis-url" else "http://127.0.0.1:8000"
    raise LabError(
        "this is no address", where=option, why=f"{url!r} cannot be read", do=f"write {option} {example}"
    )


def _of_postgres(dsn: str) -> tuple[str, int]:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        told: dict[str, Any] = conninfo_to_dict(dsn)
        return str(told.get("host") or "127.0.0.1"), int(told.get("port") or 5432)
    except (ProgrammingError, ValueError) as error:
        example = "postgresql://postgres@127.0.0.1:5432/shop"
        raise LabError("this is no address", "--dsn", str(error).strip(), f"write --dsn {example}") from error


def _files(words: Sequence[str]) -> dict[str, Path]:
    found = {}
    for word in words:
        service, _, file = word.partition("=")
        if service not in _OPTIONS or not file:
            raise LabError(
                "which log is that?", where=f"--log {word}", do="write --log postgres=/var/log/postgres.log"
            )
        found[service] = Path(file)
    return found


def _listener(host: str, port: int) -> int | None:
    """The oldest process of this machine that listens there, where it may be seen."""
    if host not in _HERE or not port:
        return None
    with contextlib.suppress(psutil.Error):
        pids = [
            one.pid
            for one in psutil.net_connections("tcp")
            if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port and one.pid
        ]
        return min(pids, key=lambda pid: psutil.Process(pid).create_time(), default=None)
    return None
