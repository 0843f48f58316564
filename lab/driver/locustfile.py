"""The lab's open load as a locustfile of its own, with Locust's UI, ``--headless``, ``--csv``, ``--json`` and ``-t``:

    locust -f "$(lab locustfile)" --host http://127.0.0.1:8000 --rate 200 --headless -t 60s

Requests are due at planned moments and latency counts from there, whatever the app does. One user plays them all:
the number of users means nothing here. A file that imports ``OpenLoad`` from here can add listeners of its own to
Locust's ``request`` event.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

import gevent
from gevent import get_hub
from locust import User, events, task
from locust.exception import StopUser

from lab.driver.block import Executor, Starting, UnderWay
from lab.driver.fast.lane import Fast
from lab.driver.flow.plain import Flow
from lab.driver.fold import install_buckets
from lab.driver.ledger import CpuMeter
from lab.driver.pacer import Pacer
from lab.driver.play import Player
from lab.driver.words import BlockOrder, GeneratorChecks, Samples
from lab.errors import Exit, LabError
from lab.model.scenario import Request, Stage
from lab.scenario.request_list import parse_requests

_LONGEST_S = 3600.0
_MOST = 200_000  # arrivals that are planned at once: it takes up to 3 s, and 100 MB
_LEAD_S, _LEAD_OF_ARRIVAL_S = 0.05, 15e-6
_CONNECTIONS = (512, 8192)
_LOOK_S = 0.02
log = logging.getLogger(__name__)


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def _add_options(parser: Any) -> None:
    group = parser.add_argument_group("Open load")
    group.add_argument("--rate", type=float, default=10.0, help="Requests a second that are due (10).")
    group.add_argument(
        "--arrivals", default="poisson", choices=["poisson", "constant"], help="How they are spread."
    )
    group.add_argument(
        "--seed", type=int, default=1, help="Equal seeds make equal requests at equal moments."
    )
    group.add_argument("--path", default="/", help="What is asked for, with GET (/).")
    group.add_argument(
        "--requests", default="", help="A YAML file with requests as in a scenario, instead of --path."
    )
    group.add_argument("--timeout", type=float, default=2.0, help="Seconds that an answer may take (2).")


@events.init.add_listener  # type: ignore[untyped-decorator]
def _begin(environment: Any, **_: Any) -> None:
    install_buckets()
    # Else a run time counts from when Locust itself was imported, a second ago.
    get_hub().loop.update_now()
    try:
        _requests(environment.parsed_options)
    except LabError as error:
        sys.stderr.write(f"lab: {error}\n")
        sys.exit(int(error.exit))


class OpenLoad(User):
    """Plays one long stretch of load after another. Between two it plans the next, for up to 3 s."""

    fixed_count = 1

    def on_start(self) -> None:
        self._n = count()
        executors: dict[Any, Executor] = {"fast": _Drained(Fast()), "flow": _Drained(Flow())}
        self._player = Player(Pacer(), self.environment, executors)

    @task
    def play(self) -> None:
        try:
            self._player.play(self._order())
        except (ValueError, LabError) as error:
            log.error("lab: %s", error)
            self.environment.process_exit_code = int(Exit.USAGE)
            runner = self.environment.runner
            gevent.spawn(runner.quit if self.environment.web_ui is None else runner.stop)
            raise StopUser from None

    def _order(self) -> BlockOrder:
        asked, n = self.environment.parsed_options, next(self._n)
        url = (self.host or self.environment.host or "").rstrip("/")
        if not url:
            raise ValueError("there is no host: say --host http://HOST:PORT")
        length_s = min(float(asked.run_time or _LONGEST_S), _LONGEST_S)
        if asked.rate > 0:
            length_s = min(length_s, max(1.0, _MOST / asked.rate))
        least, most = _CONNECTIONS
        lead_s = _LEAD_S + _LEAD_OF_ARRIVAL_S * asked.rate * length_s
        return BlockOrder(
            n=n,
            url=url,
            start_ns=time.monotonic_ns() + round(lead_s * 1e9),
            stages=(Stage(rate=asked.rate, length=length_s),),
            arrivals=asked.arrivals,
            seed=asked.seed + n,
            timeout_s=asked.timeout,
            requests=_requests(asked),
            samples=Path(os.devnull),  # Locust's statistics are all that is kept
            connections=min(max(round(1.25 * asked.rate * asked.timeout), least), most),
        )


def _requests(asked: Any) -> tuple[Request, ...]:
    if not asked.requests:
        return parse_requests(f"requests: [{{name: {asked.path!r}, get: {asked.path!r}}}]", "--path")
    path = Path(asked.requests)
    try:
        return parse_requests(path.read_bytes(), str(path))
    except OSError as error:
        raise LabError(f"cannot read {path}", where="--requests", why=str(error.strerror)) from None


class _Drained:
    """An executor whose blocks, when the test is stopped in their middle, still wait for what was asked."""

    def __init__(self, inner: Executor) -> None:
        self._inner = inner

    def begin(self, block: Starting) -> UnderWay:
        return _Draining(self._inner.begin(block), block)


class _Draining:
    def __init__(self, inner: UnderWay, block: Starting) -> None:
        self._inner = inner
        self._block = block
        self._fired = 0

    def fire(self, i: int) -> None:
        self._fired = i + 1
        self._inner.fire(i)

    def end(self) -> None:
        deadline = time.monotonic() + self._block.order.timeout_s + _LOOK_S
        while self.fold(self._block.environment.stats) < self._fired and time.monotonic() < deadline:
            gevent.sleep(_LOOK_S)
        self._inner.end()

    def fold(self, stats: Any) -> int:
        return self._inner.fold(stats)

    def checks(self, cpu: CpuMeter, counted: int) -> GeneratorChecks:
        return self._inner.checks(cpu, counted)

    def names(self) -> tuple[str, ...]:
        return self._inner.names()

    def backends(self) -> tuple[str, ...]:
        return self._inner.backends()

    def samples(self) -> Samples:
        return self._inner.samples()
