"""Stock Locust in a process of its own: ``python -m parts.stock CLASS USERS URL``.

It spawns its users, says so, and keeps them running; ``{"start_ns": 0, "length_s": 2.0}`` on stdin measures
one window: Locust's own statistics, and the CPU time of the process in that window alone, so that neither
imports nor spawning count against it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import gevent
import locust  # noqa: F401 - patches the process, before anything that opens sockets
from gevent.socket import wait_read
from locust.env import Environment

from parts import stock_users
from parts.timer import NS

_WARM_S = 0.5


def main() -> None:
    kind, users, url = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    user: Any = getattr(stock_users, kind)
    user.host = url
    environment = Environment(user_classes=[user])
    runner = environment.create_local_runner()
    runner.start(users, spawn_rate=users)
    gevent.sleep(_WARM_S)
    print(json.dumps({"users": runner.user_count}), flush=True)
    while line := _line():
        order = json.loads(line)
        print(json.dumps(_window(environment, order["start_ns"], order["length_s"])), flush=True)
    os._exit(0)


def _window(environment: Environment, start_ns: int, length_s: float) -> dict[str, float]:
    gevent.sleep(max(0.0, (start_ns - time.monotonic_ns()) / NS))
    environment.stats.reset_all()
    cpu, begun = time.process_time(), time.monotonic()
    gevent.sleep(length_s)
    total = environment.stats.total
    return {
        "requests": total.num_requests,
        "failures": total.num_failures,
        "cpu_s": time.process_time() - cpu,
        "seconds": time.monotonic() - begun,
        "p50_s": total.get_response_time_percentile(0.50) / 1e3,
        "p90_s": total.get_response_time_percentile(0.90) / 1e3,
        "p99_s": total.get_response_time_percentile(0.99) / 1e3,
        "max_s": total.max_response_time / 1e3,
    }


def _line() -> bytes:
    """The next line of stdin; empty when it ended."""
    line = b""
    while not line.endswith(b"\n"):
        wait_read(0)
        part = os.read(0, 4096)
        if not part:
            return b""
        line += part
    return line


if __name__ == "__main__":
    main()
