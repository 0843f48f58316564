"""The servers that are asked, each in a process of its own on the server's core."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lab.errors import EnvironmentFailed
from parts.processes import Child, free_port, standing
from parts.shop import nginx_locations
from parts.timer import wait_until

Moments = npt.NDArray[np.int64]

_UP_S = 10.0
_CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  default_type application/json;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=8192;
{locations}
  }}
}}
"""


@dataclass(frozen=True, kw_only=True)
class Site:
    """``what`` says in words which server it is."""

    url: str
    what: str


@contextlib.contextmanager
def shop(folder: Path, core: int, *, realtime: bool = False) -> Iterator[Site]:
    """nginx with the four routes; where it is not installed, a server of the benchmark's own."""
    if shutil.which("nginx") is None:
        with standing(core, realtime=realtime):
            child = Child("plain", log=folder / "plain.log")
        try:
            port = child.hear()["port"]
            yield Site(
                url=f"http://127.0.0.1:{port}", what="the benchmark's own server (nginx is not installed)"
            )
        finally:
            child.close()
        return
    with _nginx(folder, core, realtime) as port:
        yield Site(url=f"http://127.0.0.1:{port}", what="nginx, one worker")


@contextlib.contextmanager
def _nginx(folder: Path, core: int, realtime: bool) -> Iterator[int]:
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, port=port, locations=nginx_locations()))
    command = ["nginx", "-p", str(folder), "-c", str(config)]
    with standing(core, realtime=realtime):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process, folder / "error.log")
        yield port
    finally:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _UP_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 1):
            return
        wait_until(time.monotonic_ns() + 10_000_000)
    why = log.read_text(errors="replace")[-500:] if log.exists() else ""
    raise EnvironmentFailed("nginx did not come up", where=f"port {port}", why=why)


@dataclass(frozen=True)
class Account:
    """What a known server did: CLOCK_MONOTONIC ns. ``done_ns`` is 0 for what it never answered."""

    stalls: tuple[tuple[int, int], ...]
    read_ns: Moments
    done_ns: Moments

    @property
    def service_s(self) -> npt.NDArray[np.float64]:
        """How long each answered request was with the server."""
        answered = self.done_ns > 0
        return np.asarray((self.done_ns - self.read_ns)[answered] / 1e9, dtype=np.float64)


class KnownServer:
    """The lab's side of ``parts.known``."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self.url = f"http://127.0.0.1:{child.hear()['port']}"

    @property
    def pid(self) -> int:
        return self._child.pid

    def stall(self, moments: Sequence[tuple[int, float]]) -> None:
        """Have it stand still at each absolute moment (ns) for so many seconds."""
        self._child.ask({"stalls": list(moments)})

    def account(self) -> Account:
        """What it did since the last account."""
        said: Any = self._child.ask({"account": True})
        rows = np.asarray(said["requests"], dtype=np.int64).reshape(-1, 2)
        return Account(tuple((start, end) for start, end in said["stalls"]), rows[:, 0], rows[:, 1])


@contextlib.contextmanager
def known(
    folder: Path, core: int, service_s: float, *, serial: bool = False, realtime: bool
) -> Iterator[KnownServer]:
    """A server with a known service time; realtime so that neighbours do not change what is known."""
    with standing(core, realtime=realtime):
        child = Child("known", str(service_s), *(["serial"] if serial else []), log=folder / "known.log")
    try:
        yield KnownServer(child)
    finally:
        child.close()
