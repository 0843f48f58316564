"""The services of a stack as ``ps`` shows them: what the operating system says, and whether they answer."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil

from lab.errors import LabError
from lab.model.stack import Running, ServiceName
from lab.runner.clock import MonotonicClock

WATCH_S = 0.3
ANSWER_S = 1.0

# Whatever comes back is an answer; for Postgres, to the question whether it would talk TLS.
_QUESTIONS: dict[str, bytes] = {
    "postgres": struct.pack("!ii", 8, 80877103),
    "redis": b"PING\r\n",
}
_QUESTION = b"GET /health HTTP/1.0\r\n\r\n"  # to the app, and to the balancer before its instances


def services(running: Running) -> list[dict[str, Any]]:
    """A row for each service: state (up, down, frozen or silent), pids, share of a core, MB, port."""
    with ThreadPoolExecutor(len(running.services)) as pool:
        return list(pool.map(lambda name: _row(running, name, running.address(name)[1]), running.services))


def log_of(running: Running, service: str, lines: int) -> str:
    """The last lines of a service's log. LabError for a service that the stack does not have."""
    if service in running.services:
        return running.logs(service, lines)
    known = ", ".join(running.services)
    raise LabError(f"there is no service {service!r}", why=f"this stack has {known}", do="lab ps")


def _row(running: Running, service: ServiceName, port: int) -> dict[str, Any]:
    alive = running.alive(service)
    processes = _processes(running.pids(service)) if alive else []
    return {
        "service": service,
        "state": _state(service, processes, port) if alive else "down",
        "pids": [process.pid for process in processes],
        "cpu_share": _cpu_share(running, service) if alive else 0.0,
        "memory_mb": running.memory_mb(service) if alive else 0.0,
        "port": port,
    }


def _processes(pids: Sequence[int]) -> list[psutil.Process]:
    found = []
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            found.append(psutil.Process(pid))
    return found


def _state(service: str, processes: Sequence[psutil.Process], port: int) -> str:
    """``frozen`` where its processes are stopped, ``silent`` where it is there and does not answer."""
    if processes and all(_status(process) == psutil.STATUS_STOPPED for process in processes):
        return "frozen"
    return "up" if _answers(port, _QUESTIONS.get(service, _QUESTION)) else "silent"


def _status(process: psutil.Process) -> str:
    try:
        return process.status()
    except psutil.Error:
        return psutil.STATUS_DEAD


def _answers(port: int, question: bytes) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S) as asked:
            asked.sendall(question)
            return bool(asked.recv(1))
    except OSError:
        return False


def _cpu_share(running: Running, service: ServiceName) -> float:
    """Of one core, in a short while from now."""
    clock = MonotonicClock()
    before, began_ns = running.cpu_seconds(service), clock.now_ns()
    clock.sleep_until(began_ns + int(WATCH_S * 1e9))
    used = running.cpu_seconds(service) - before
    return max(0.0, used) / ((clock.now_ns() - began_ns) / 1e9)
