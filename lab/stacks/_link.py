"""The links of an arm: a proxy before each service that a fault reaches over the network.

By default one process of the arm's own, ``python -m lab.link``; where the person names a link that runs already, its
proxies there instead. Either way all is done through Toxiproxy's API.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import psutil

from lab.errors import EnvironmentFailed, LabError
from lab.link.client import LinkClient
from lab.model.stack import ArmSpec, LinkPoint, RunContext, ServiceName
from lab.reaper.processes import end_processes
from lab.stacks._companion import ending
from lab.stacks._ports import HOST, PortTaken, is_free
from lab.stacks._ready import tail, wait_until

API = "link"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ASKED_S = 2.0


def before(service: str) -> str:
    """The name, among an arm's ports, of the port by which the app reaches a service through its link."""
    return f"link {service}"


def ports_for(arm: ArmSpec) -> tuple[str, ...]:
    """Names of the ports that an arm's links take."""
    return (API, *(before(service) for service in sorted(arm.links))) if arm.links else ()


def links_of(arm: ArmSpec, run: RunContext, log: Path, folder: Path, ports: Mapping[str, int]) -> Links:
    """The links of an arm whose ports are on this machine. Raises LabError for a ``run.link_url`` elsewhere."""
    if run.link_url and arm.links:
        return LentLink(arm, run, ports)
    return OwnLink(arm, run, log, folder, ports)


def point(points: Mapping[str, LinkPoint], service: ServiceName, arm: str) -> LinkPoint:
    """One of them. Raises EnvironmentFailed."""
    if service in points:
        return points[service]
    raise EnvironmentFailed(
        f"no link stands before {service}",
        where=f"arm {arm}",
        why=f"the arm has links before {', '.join(sorted(points)) or 'no service'}",
        do="a run puts one there where a fault asks for it; by hand: lab up --link " + service,
    )


class Links(Protocol):
    """``points`` by service, once it is up."""

    points: dict[str, LinkPoint]

    def up(self) -> None:
        """Return when every proxy listens; nothing where the arm has none. Raises PortTaken, LabError."""

    def stop(self) -> None:
        """Remove them. Safe to call twice, and after a failure."""


class OwnLink:
    """One process with the proxies of one arm. It is no part of the app: neither niced nor frozen with it."""

    def __init__(
        self, arm: ArmSpec, run: RunContext, log: Path, folder: Path, ports: Mapping[str, int]
    ) -> None:
        self._arm, self._run, self._log, self._folder, self._ports = arm, run, log, folder, ports
        self._process: subprocess.Popen[bytes] | None = None
        self.points: dict[str, LinkPoint] = {}

    def up(self) -> None:
        if not self._arm.links:
            return
        words = ["-P", "-m", "lab.link", "--port", str(self._ports[API]), "--seed", str(self._run.seed)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *words],
                stdin=subprocess.PIPE,  # it ends with the lab, which holds the other end
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                start_new_session=True,
            )
        self._run.own({"process": self._process.pid})
        client = LinkClient(f"http://{HOST}:{self._ports[API]}")
        try:
            wait_until(
                answering(client), living=self._alive, log=lambda n: tail(self._log, n), what="the link"
            )
        except EnvironmentFailed as error:
            if not self._alive() and not is_free(self._ports[API]):
                raise PortTaken(error.what, client.url, error.why, "free the port") from error
            raise
        for service in sorted(self._arm.links):
            here, there = (HOST, self._ports[before(service)]), (HOST, self._ports[service])
            made(client, service, here, there)
            self.points[service] = LinkPoint(api=client.url, proxy=service, listen=here, direct=there)

    def _alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        if self._process is None:
            return
        if self._alive():
            with contextlib.suppress(psutil.NoSuchProcess), ending("the link"):
                end_processes([psutil.Process(self._process.pid)], ask="SIGTERM", asked_s=_ASKED_S)
        self._process.communicate()


class LentLink:
    """Proxies of one arm on a link that somebody else runs; all else that is there is left alone."""

    def __init__(self, arm: ArmSpec, run: RunContext, ports: Mapping[str, int]) -> None:
        self._arm, self._run, self._ports = arm, run, ports
        self._client = LinkClient(on_this_machine(run.link_url))
        self.points: dict[str, LinkPoint] = {}

    def up(self) -> None:
        for service in sorted(self._arm.links):
            name = f"lab-{self._run.id}-{secrets.token_hex(4)}-{service}"
            self._run.own({"proxy": name, "url": self._client.url})
            here, there = (HOST, self._ports[before(service)]), (HOST, self._ports[service])
            made(self._client, name, here, there)
            self.points[service] = LinkPoint(api=self._client.url, proxy=name, listen=here, direct=there)
            _refuse_elsewhere(self.points[service])

    def stop(self) -> None:
        while self.points:
            _, one = self.points.popitem()
            with contextlib.suppress(EnvironmentFailed):  # with the link its proxies have gone
                if one.proxy in self._client.proxies():
                    self._client.delete(one.proxy)


def made(client: LinkClient, name: str, listen: tuple[str, int], upstream: tuple[str, int]) -> None:
    """Have the link make a proxy. Raises PortTaken where the port is, LabError."""
    try:
        client.create(name, _text(upstream), _text(listen))
    except LabError as error:
        if "in use" in error.why:
            raise PortTaken(error.what, _text(listen), error.why, "free the port") from error
        raise


def answering(client: LinkClient) -> Callable[[], bool]:
    """Whether the link's API answers."""

    def answers() -> bool:
        try:
            return bool(client.version())
        except LabError:
            return False

    return answers


def on_this_machine(url: str) -> str:
    """The URL again. LabError where its host is another machine: neither would reach what the other listens on."""
    LinkClient(url)
    if urlsplit(url).hostname not in _LOOPBACK:
        raise LabError(
            "the link runs on another machine",
            where=f"--link {url}",
            why="servers and apps of a run listen on the loopback of this machine, where it could not reach them",
            do="start it here, with `lab link` or toxiproxy-server, and name http://127.0.0.1:8474",
        )
    return url


def _refuse_elsewhere(point: LinkPoint) -> None:
    """EnvironmentFailed where nobody listens. That a server behind it is not up yet resets the connection."""
    try:
        with contextlib.suppress(ConnectionResetError):
            socket.create_connection(point.listen, timeout=2).close()
    except (ConnectionRefusedError, TimeoutError) as error:
        raise EnvironmentFailed(
            "a proxy cannot be reached",
            where=f"{_text(point.listen)}, made through {point.api}",
            why=f"{error}; a link in a container listens on that container's loopback",
            do="run it on this machine itself, or leave out --link",
        ) from error


def _text(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"
