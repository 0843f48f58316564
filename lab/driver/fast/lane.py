"""The *fast* executor: kept-alive connections without a greenlet each, driven by the hub's own events.

A request goes to the connection used last, else to a new one, else (at the cap) into a queue whose waiting
counts as latency. Without the cap a stall of the app makes the generator open thousands of connections
and fail in its own right.
"""

from __future__ import annotations

from collections import deque
from typing import Any
from urllib.parse import urlsplit

from gevent import get_hub
from gevent.socket import AF_UNSPEC, IPPROTO_TCP, SOCK_STREAM, gaierror, getaddrinfo

from lab.driver.block import Starting
from lab.driver.fast.again import Again
from lab.driver.fast.line import Line
from lab.driver.job import Job, job_for
from lab.driver.ledger import Ledger
from lab.driver.listeners import teller
from lab.driver.pacer import Pacer
from lab.driver.planned import Planned
from lab.driver.render import messages
from lab.driver.tries import LedgerOfTries
from lab.driver.words import Failure

_BUFFER = 65536
_SWEEP_S = 0.01  # how long a request without an answer may keep its connection beyond its time-out


class Lane:
    """All connections to one base address; ValueError unless it is plain ``http`` with a host."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"{url!r} is not a plain http address")
        self._host, self._port = parts.hostname, parts.port or 80
        self.lines: set[Line] = set()
        self.idle: list[Line] = []  # the last used on top
        self.waiting: deque[int] = deque()
        self.buffer = bytearray(_BUFFER)  # one for all: what comes in is used up at once
        self._serving = False

    def begin(self, job: Job, cap: int, pacer: Pacer, tries: LedgerOfTries | None = None) -> None:
        """From now on requests are those of ``job``, due when ``pacer`` says. Finding the host may block.

        ``tries`` is the job's ledger where what fails is asked again.
        """
        self.job = job
        self.cap = cap
        self.pacer = pacer
        self._address = _resolve(self._host, self._port)
        self._oldest = 0
        self._tries = tries
        while self.idle and len(self.lines) > cap:
            self.idle[0].close()  # an earlier block had room for more
        self._sweeping = get_hub().loop.timer(_SWEEP_S, _SWEEP_S)
        self._sweeping.start(self._sweep)

    def end(self) -> None:
        """Whatever still runs is given up."""
        self._sweeping.close()
        self.waiting.clear()
        for line in [line for line in self.lines if line.busy]:
            line.close()

    def fire(self, i: int) -> None:
        """Request ``i`` is due. Called in the hub; does not block."""
        if self.job.ledger.ended(i):
            return  # the driver came to it after its time-out
        if self.idle:
            self.idle.pop().send(i)
        elif len(self.lines) < self.cap:
            self._open(i)
        else:
            self.job.ledger.queue(i)
            self.waiting.append(i)

    def free(self, line: Line) -> None:
        """``line`` has its answer and can take another request."""
        if self.waiting:
            self._serve(line)
        else:
            self.idle.append(line)

    def lost(self, line: Line) -> None:
        """``line`` is closed."""
        self.lines.discard(line)
        if line in self.idle:
            self.idle.remove(line)
        if self.waiting:
            self._serve(None)

    def _serve(self, line: Line | None) -> None:
        """Give waiting requests their turn. A loop, since each may fail at once and make room for the next."""
        if line is not None:
            self.idle.append(line)
        if self._serving:
            return
        self._serving = True
        try:
            while self.waiting and (self.idle or len(self.lines) < self.cap):
                self.fire(self.waiting.popleft())
        finally:
            self._serving = False

    def _open(self, i: int) -> None:
        if self._address is None:
            self.job.ledger.send(i)
            self.job.fail(i, Failure.UNREACHABLE)
            return
        line = Line(self, self._address)
        self.lines.add(line)
        line.send(i)

    def _sweep(self) -> None:
        """Time out what is overdue. Requests are in order of their due moments, so most sweeps look at one."""
        ledger = self.job.ledger
        overdue, self._oldest = ledger.overdue(self._oldest)
        if self._tries is not None:
            overdue += self._tries.given_up(line.i for line in self.lines if line.busy)
        if not overdue:
            return
        late = {i for i in overdue if not ledger.ended(i)}
        for i in sorted(late):
            self.job.fail(i, Failure.TIMEOUT)
        for line in [line for line in self.lines if line.busy and line.i in late]:
            line.close()


Address = tuple[int, Any]


def _resolve(host: str, port: int) -> Address | None:
    """Address family and address; None for a name that nobody knows."""
    try:
        family, _, _, _, address = getaddrinfo(host, port, AF_UNSPEC, SOCK_STREAM, IPPROTO_TCP)[0]
    except (gaierror, UnicodeError):
        return None
    return int(family), address


class Fast:
    """Keeps connections from block to block, one lane for each app."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}

    def begin(self, block: Starting) -> Planned:
        """Make ready. ValueError for an address that is not plain http."""
        order, targets = block.order, block.plan.targets
        lane = self._lanes.setdefault(order.url, Lane(order.url))
        books = (block.due_ns, round(order.timeout_s * 1e9), block.ended)
        again = tries = None
        if order.retry is not None:
            again = Again(lane, order.retry.after_s, block.broke)
            tries = LedgerOfTries(*books, order.retry, again.after_pause)
        ledger = Ledger(*books) if tries is None else tries
        job = job_for(order.requests)(
            ledger=ledger,
            messages=messages(order.url, targets),
            targets=targets,
            requests=order.requests,
            broke=block.broke,
            heard=teller(block.environment, ledger, targets, order),
        )
        lane.begin(job, order.connections, block.pacer, tries)

        def give_up() -> None:
            if again is not None:
                again.end()
            lane.end()

        return Planned(order=order, job=job, executor="fast", launch=lane.fire, give_up=give_up)
