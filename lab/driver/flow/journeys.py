"""A block in which each arrival is one journey of a user's own locustfile."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import Any

import gevent
from gevent import GreenletExit
from locust.exception import StopUser

from lab.driver.block import Starting
from lab.driver.flow.crew import Crew, classes_drawn
from lab.driver.flow.hearing import Hearing
from lab.driver.flow.steps import Steps
from lab.driver.flow.turns import Turns
from lab.driver.ledger import CpuMeter, Ledger
from lab.driver.words import Failure, GeneratorChecks, Samples

SLACK_S = 1.0  # beyond the time-out: a journey may have more than one request before it
log = logging.getLogger(__name__)


class Journeys:
    """One block under way. The ledger holds the arrivals, ``Hearing`` the requests that came of them.

    Which class an arrival takes is drawn by weight, seeded; which of its tasks, Locust draws. No ``wait_time``
    is heeded: the schedule says when. Journeys that go on ``SLACK_S`` after the last time-out are ended.
    """

    def __init__(self, block: Starting, crew: Crew) -> None:
        order = block.order
        self._block = block
        self._crew = crew
        self._kinds = classes_drawn(order.seed, crew.classes, len(block.due_ns))
        self._ledger = Ledger(block.due_ns, round(order.timeout_s * 1e9), block.ended)
        self._hearing = Hearing(block.environment, self._ledger.timeout_ns)
        self._turns = Turns(self._ledger, order.connections, self._walk, self._missed, block.broke)
        self.fire = self._turns.fire
        last_s = (order.start_ns - time.monotonic_ns()) / 1e9 + order.length_s + order.timeout_s + SLACK_S
        self._last_call = gevent.spawn_later(max(0.0, last_s), self._give_up)

    def fold(self, stats: Any) -> int:
        """Nothing to do: Locust's own clients tell its statistics of each request."""
        del stats
        return self._hearing.counted()

    def checks(self, cpu: CpuMeter, counted: int) -> GeneratorChecks:
        rows = self._hearing.rows
        return replace(
            self._ledger.checks(cpu, counted),
            executor="flow",
            connections=self._block.order.connections,
            recorded=len(rows),
            answered=rows.answered(),
        )

    def names(self) -> tuple[str, ...]:
        return self._hearing.rows.names()

    def backends(self) -> tuple[str, ...]:
        return self._hearing.rows.backends()

    def samples(self) -> Samples:
        return self._hearing.rows.samples()

    def end(self) -> None:
        self._last_call.kill()
        self._turns.end()
        self._hearing.end()

    def _walk(self, i: int) -> None:
        ledger = self._ledger
        ledger.send(i)
        kind = self._crew.classes[self._kinds[i]]
        journey = self._hearing.journey(kind, time.monotonic_ns() - ledger.due_ns[i])
        journey.join()
        steps: Steps | None = None
        try:
            with self._crew.user(kind) as steps:
                steps.one()
        except StopUser:
            pass
        except GreenletExit:
            if not journey.made:
                self._hearing.missed(kind, ledger.due_ns[i])
            raise
        except Exception as error:  # noqa: BLE001 - the journey's own: told, and the load goes on
            self._hearing.raised(journey, steps, error)
        finally:
            if not ledger.ended(i):
                ledger.close(i, journey.failure)

    def _missed(self, i: int) -> None:
        self._hearing.missed(self._crew.classes[self._kinds[i]], self._ledger.due_ns[i])
        self._ledger.close(i, Failure.TIMEOUT)

    def _give_up(self) -> None:
        left = [i for i in range(len(self._block.due_ns)) if not self._ledger.ended(i)]
        log.warning("%d journeys were still under way long after their time-out, and were ended", len(left))
        self._turns.end()
        for i in left:
            if not self._ledger.ended(i):
                self._missed(i)
