"""Processes: one that serves, or several that share one port and live and die together."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
from types import FrameType

import uvicorn
import uvloop
from starlette.types import ASGIApp

from sample_app.app import create_app
from sample_app.logs import log, set_up_logs
from sample_app.settings import Settings

_BACKLOG = 2048


def listen(host: str, port: int, processes: int) -> list[socket.socket]:
    """A listening socket for each process, all on one port. Raises OSError where the port is taken.

    One socket for all would leave the choice to whoever wakes first: a burst of connections then ends up
    in a single process. With a socket each, Linux spreads them by a hash of their addresses.
    """
    alone = socket.create_server((host, port), backlog=_BACKLOG)
    if processes == 1:
        return [alone]
    port = alone.getsockname()[1]
    alone.close()  # it proved that nobody else serves here, which sockets that share a port do not notice
    return [socket.create_server((host, port), backlog=_BACKLOG, reuse_port=True) for _ in range(processes)]


def serve(settings: Settings, listening: socket.socket, lifeline: int | None = None) -> int:
    """Serve until SIGTERM or SIGINT; 0, or 3 where the app could not start.

    ``lifeline`` is the reading end of a pipe whose other end the parent holds: when it closes, the
    parent is gone, however it went, and this process ends too.
    """
    set_up_logs(settings.log_level)
    return serve_app(create_app(settings), listening, lifeline)


def serve_app(app: ASGIApp, listening: socket.socket, lifeline: int | None = None) -> int:
    """Serve any app like the shop; see :func:`serve`.

    What is loaded by now stays until the end: frozen, it is left out of every full garbage collection, which
    otherwise stops all requests for up to a tenth of a second.
    """
    gc.collect()
    gc.freeze()
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http="httptools",  # pinned like the loop below: uvicorn takes whatever happens to be installed
            timeout_keep_alive=300,
            timeout_graceful_shutdown=1,
            access_log=False,  # a line a request costs more than some requests; the slow ones are logged
            log_config=None,
            server_header=False,
        )
    )

    async def run() -> None:
        if lifeline is not None:
            asyncio.get_running_loop().add_reader(lifeline, _stop, server, lifeline)
        await server.serve(sockets=[listening])

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    return 0 if server.started else 3


def _stop(server: uvicorn.Server, lifeline: int) -> None:
    asyncio.get_running_loop().remove_reader(lifeline)
    server.should_exit = True


def end(signum: int, _frame: FrameType | None) -> None:
    """Asked to stop is a good end for a service; interrupted at the keyboard is not."""
    sys.exit(0 if signum == signal.SIGTERM else 128 + signum)


def serve_in_children(settings: Settings, sockets: list[socket.socket]) -> int:
    """Fork a serving process for each socket. The first that ends unasked ends them all, with its code."""
    reading, writing = os.pipe()
    children: set[int] = set()
    for own in sockets:
        pid = os.fork()
        if pid == 0:
            os.close(writing)
            for other in sockets:
                if other is not own:
                    other.close()
            os._exit(_serve_child(settings, own, reading))
        children.add(pid)
    os.close(reading)
    for listening in sockets:
        listening.close()
    return _wait_for(children, settings.log_level)


def _wait_for(children: set[int], log_level: str) -> int:
    asked = False

    def forward(signum: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        for child in children:
            os.kill(child, signum)

    signal.signal(signal.SIGTERM, forward)
    signal.signal(signal.SIGINT, forward)
    code = 0
    while children:
        pid, status = os.wait()
        children.discard(pid)
        if not asked:
            code = _exit_code(status)
            set_up_logs(log_level)
            log("shop.serving").error("a serving process ended", pid=pid, exit_code=code)
            forward(signal.SIGTERM, None)
    return code


def _serve_child(settings: Settings, listening: socket.socket, lifeline: int) -> int:
    try:
        return serve(settings, listening, lifeline)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    except KeyboardInterrupt:
        return 130
    except BaseException:  # noqa: BLE001 (a forked child must never return into its parent's code)
        sys.excepthook(*sys.exc_info())
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _exit_code(status: int) -> int:
    """The code of a process that ended unasked: never 0, and 128 + signal where a signal ended it."""
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code or 1
