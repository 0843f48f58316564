"""The *closed* executor: users who each wait for their answer before they ask again, as stock Locust has them.

Latency counts from the send, so a stalled app is asked less and its stall is hardly seen. It is kept to show that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import cycle

import gevent
from gevent import GreenletExit
from locust.exception import StopUser

from lab.driver.block import Starting, UnderWay
from lab.driver.flow.asking import Asker, judged
from lab.driver.flow.crew import Crew, Crews, classes_drawn
from lab.driver.flow.hearing import Hearing
from lab.driver.flow.journeys import SLACK_S
from lab.driver.flow.steps import Steps
from lab.driver.ledger import CpuMeter
from lab.driver.listeners import RequestFailed
from lab.driver.observing import Sight
from lab.driver.values import pick
from lab.driver.words import BlockOrder, GeneratorChecks, Samples

_PATIENCE_S = 1.0  # with users that do not let themselves be ended
_DRAWN_PER_S = 8000  # more requests than one process can make; the list starts again at its end

Live = Callable[[int], None]


class Closed:
    """Plain requests, or journeys of a locustfile with the waits that are written there. Keeps connections and
    users from block to block."""

    def __init__(self) -> None:
        self._askers: dict[str, Asker] = {}
        self._crews = Crews()

    def begin(self, block: Starting) -> UnderWay:
        """Make ready. ValueError for an address that is neither http nor https, LabError for a mistake in the
        locustfile."""
        order = block.order
        if order.locustfile is not None:
            crew = self._crews.of(order, block.environment)
            hearing = Hearing(block.environment, round(order.timeout_s * 1e9))
            return Users(block, hearing, _Walking(order, crew, hearing).live)
        asker = self._askers.get(order.url) or self._askers.setdefault(order.url, Asker(order.url))
        hearing = Hearing(block.environment, round(order.timeout_s * 1e9))
        return Users(block, hearing, _asking(block, asker))


class Users:
    """One block under way. ``live(k)`` is user ``k`` from the block's start to its end.

    What is under way when the window ends is waited for, at most its time-out.
    """

    def __init__(self, block: Starting, hearing: Hearing, live: Live) -> None:
        self._block = block
        self._hearing = hearing
        self._live = live
        self._living = block.order.users
        self._users = [gevent.spawn(self._guarded, k) for k in range(self._living)]
        self._last_call = gevent.spawn(self._give_up)

    def fire(self, i: int) -> None:
        raise AssertionError(f"nothing is due in closed load, least of all {i}")

    def fold(self, stats: object) -> int:
        """Nothing to do: each request is told to Locust's statistics as it ends."""
        del stats
        return self._hearing.counted()

    def checks(self, cpu: CpuMeter, counted: int) -> GeneratorChecks:
        rows = self._hearing.rows
        return GeneratorChecks(
            asked=len(rows),
            sent=len(rows),
            answered=rows.answered(),
            schedule_error_p50_s=0.0,
            schedule_error_p99_s=0.0,
            cpu_share_max=cpu.share_max(),
            idle_connections=True,
            achieved=1.0,
            cpu_s=cpu.total_s(),
            queued=0,
            retried=0,
            recorded=len(rows),
            counted=counted,
            executor="closed",
            connections=self._block.order.users,
        )

    def names(self) -> tuple[str, ...]:
        return self._hearing.rows.names()

    def backends(self) -> tuple[str, ...]:
        return self._hearing.rows.backends()

    def samples(self) -> Samples:
        return self._hearing.rows.samples()

    def end(self) -> None:
        self._last_call.kill()
        gevent.killall(self._users, timeout=_PATIENCE_S)
        self._hearing.end()

    def _guarded(self, k: int) -> None:
        try:
            sleep_until(self._block.order.start_ns)
            self._live(k)
        except Exception as defect:  # noqa: BLE001 - the block would never end
            self._block.broke(defect)
        finally:
            self._living -= 1
            if not self._living:
                self._block.ended()

    def _give_up(self) -> None:
        order = self._block.order
        sleep_until(end_ns(order) + round((order.timeout_s + SLACK_S) * 1e9))
        gevent.killall(self._users, timeout=_PATIENCE_S)
        if self._living:  # one does not let itself be ended; it is heard no more
            self._block.ended()


def _asking(block: Starting, asker: Asker) -> Live:
    """Requests by weight, seeded, each told to Locust as its own clients tell it."""
    order = block.order
    sights = [Sight.of(request.observe) for request in order.requests]
    targets = cycle(pick(order.seed, order.requests, max(1, round(_DRAWN_PER_S * order.length_s))))

    def live(_: int) -> None:
        while time.monotonic_ns() < end_ns(order):
            target = next(targets)
            request, sight = order.requests[target.name], sights[target.name]
            keep = bool(request.expect.contains) or sight.field is not None
            began_s, began_ns = time.time(), time.monotonic_ns()
            found = asker.ask(target, order.timeout_s, keep=keep, header=sight.header)
            took_ms = (time.monotonic_ns() - began_ns) / 1e6
            version = sight.version(found.body, 0, len(found.body))
            failure = judged(request.expect, found)
            block.environment.events.request.fire(
                request_type=target.method,
                name=request.name,
                response_time=took_ms,
                response_length=found.size,
                exception=RequestFailed(failure, found.status) if failure else None,
                context={},
                response=found._replace(key=target.key, version=version),
                start_time=began_s,
                url=order.url + target.path,
            )
            gevent.sleep(0)  # others have their turn even where every answer comes at once

    return live


class _Walking:
    """Users of a locustfile as Locust itself runs them."""

    def __init__(self, order: BlockOrder, crew: Crew, hearing: Hearing) -> None:
        self._order = order
        self._crew = crew
        self._hearing = hearing
        self._kinds: Sequence[int] = classes_drawn(order.seed, crew.classes, order.users)

    def live(self, k: int) -> None:
        kind = self._crew.classes[self._kinds[k]]
        journey = self._hearing.journey(kind, 0)
        journey.join()
        steps: Steps | None = None
        try:
            steps = self._crew.take(kind)
            while time.monotonic_ns() < end_ns(self._order):
                try:
                    steps.one()
                except (StopUser, GreenletExit):
                    raise
                except Exception as error:  # noqa: BLE001 - the user's own: told, and the user goes on, as in Locust
                    self._hearing.raised(journey, steps, error)
                left_s = (end_ns(self._order) - time.monotonic_ns()) / 1e9
                gevent.sleep(max(0.0, min(steps.wait_s(), left_s)))
            self._crew.keep(steps)
        except StopUser:
            if steps is not None:
                steps.stop()
        except Exception as error:  # noqa: BLE001 - it never began, or its waits are wrong
            self._hearing.raised(journey, steps, error)


def end_ns(order: BlockOrder) -> int:
    return order.start_ns + round(order.length_s * 1e9)


def sleep_until(moment_ns: int) -> None:
    left_s = (moment_ns - time.monotonic_ns()) / 1e9
    if left_s > 0:
        gevent.sleep(left_s)
