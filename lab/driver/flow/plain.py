"""The *flow* executor: a greenlet for each arrival and Locust's own HTTP client, for what *fast* cannot do."""

from __future__ import annotations

import time

from lab.driver.block import Starting, UnderWay
from lab.driver.flow.asking import Asker
from lab.driver.flow.crew import Crews
from lab.driver.flow.journeys import Journeys
from lab.driver.flow.turns import Turns
from lab.driver.job import Job, job_for
from lab.driver.ledger import Ledger
from lab.driver.listeners import teller
from lab.driver.planned import Planned
from lab.driver.values import Target
from lab.driver.words import Failure


class Flow:
    """Plain requests, ``https`` ones among them, and journeys of a locustfile. Keeps connections, and users with
    theirs, from block to block."""

    def __init__(self) -> None:
        self._askers: dict[str, Asker] = {}
        self._crews = Crews()

    def begin(self, block: Starting) -> UnderWay:
        """Make ready. ValueError for an address that is neither http nor https, LabError for a mistake in the
        locustfile."""
        if block.order.locustfile is not None:
            return Journeys(block, self._crews.of(block.order, block.environment))
        return self._plain(block)

    def _plain(self, block: Starting) -> UnderWay:
        order, targets = block.order, block.plan.targets
        asker = self._askers.get(order.url) or self._askers.setdefault(order.url, Asker(order.url))
        ledger = Ledger(block.due_ns, round(order.timeout_s * 1e9), block.ended)
        job = job_for(order.requests)(
            ledger=ledger,
            messages=(),
            targets=targets,
            requests=order.requests,
            broke=block.broke,
            heard=teller(block.environment, ledger, targets, order),
        )
        plain = _Plain(asker, job, targets)
        turns = Turns(ledger, order.connections, plain.ask, plain.late, block.broke)
        return Planned(order=order, job=job, executor="flow", launch=turns.fire, give_up=turns.end)


class _Plain:
    """Requests of one block."""

    def __init__(self, asker: Asker, job: Job, targets: tuple[Target, ...]) -> None:
        self._asker = asker
        self._job = job
        self._targets = targets

    def ask(self, i: int) -> None:
        job, ledger = self._job, self._job.ledger
        ledger.send(i)
        left_s = (ledger.due_ns[i] + ledger.timeout_ns - time.monotonic_ns()) / 1e9
        left_s = max(left_s, 0.0)
        found = self._asker.ask(self._targets[i], left_s, keep=job.keeps(i), header=job.header(i))
        ledger.retried += found.again
        if found.failure is Failure.NONE:
            job.answer(i, found.status, found.size, found.body, len(found.body), found.backend)
        else:
            job.fail(i, found.failure)

    def late(self, i: int) -> None:
        self._job.fail(i, Failure.TIMEOUT)
