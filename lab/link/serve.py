"""Runs the link in this process until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn
import uvloop

from lab.errors import Exit, LabError
from lab.link.address import Address
from lab.link.alarms import Alarms
from lab.link.api import application
from lab.link.beside import Beside
from lab.link.proxies import Proxies

DEFAULT_PORT = 8474
_STDIN = 0


class Api(uvicorn.Server):
    """Signals are the link's own business: they end the proxies too."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(host: str, port: int, seed: str, ready: Callable[[str], None], *, with_input: bool) -> None:
    """Serve the API there and call ``ready`` with its URL; return after SIGTERM, SIGINT, or, where that is asked
    for, the end of standard input, with every socket closed. LabError where the address cannot be had."""
    listening = _listening(host, port)
    _room()
    _prompt()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(listening, seed, ready, with_input))


async def _serve(listening: socket.socket, seed: str, ready: Callable[[str], None], with_input: bool) -> None:
    loop = asyncio.get_running_loop()
    alarms = Alarms(loop)
    proxies = Proxies(alarms, seed)
    app = application(proxies, Beside(proxies).routes())
    api = Api(
        uvicorn.Config(
            app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
    )

    def stop() -> None:
        api.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if with_input:
        loop.add_reader(_STDIN, _at_end, loop, stop)
    gc.freeze()  # what the imports left is not looked at again while data passes
    ready(f"http://{Address.of(listening.getsockname())}")
    try:
        await api.serve(sockets=[listening])
    finally:
        proxies.close()
        alarms.close()
        await asyncio.sleep(0)  # lets the sockets be closed that were cut just now


def _at_end(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    if not os.read(_STDIN, 1 << 12):
        loop.remove_reader(_STDIN)
        stop()


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError) as failed:
        code = getattr(failed, "errno", None)
        raise LabError(
            "the link cannot listen",
            where=str(Address(host, port)),
            why=os.strerror(code) if code and code > 0 else str(failed),
            do="end what listens there (another link, or a Toxiproxy), or name another --port; 0 takes any",
            exit=Exit.VOID,
        ) from None


def _room() -> None:
    """As many sockets as the system lets us have: each connection takes two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _prompt() -> None:
    """Run before the servers on both sides do, where we may: a wire waits for no processor, and on busy cores an
    ordinary process wakes up some milliseconds late, which would be dose that nobody asked for."""
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
