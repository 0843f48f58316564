"""A row for every request that Locust is told of: what journeys of any user's own code came to."""

from __future__ import annotations

import logging
import time
import traceback
from typing import Any

from lab.driver.flow.asking import Answered
from lab.driver.flow.journey import Journey, NotSent, journey_here, outcome
from lab.driver.flow.rows import Rows
from lab.driver.flow.steps import Steps
from lab.driver.words import Failure

_TOLD = 50  # different errors of journeys that the log holds
_told: set[str] = set()  # in the life of the driver
_NOTHING = Answered(Failure.NONE)
log = logging.getLogger(__name__)


class Hearing:
    """Makes a row of every request that Locust is told of, from ``begin`` to ``end``.

    Locust's statistics count the same requests by their own listener; ``counted`` is what they say.
    """

    def __init__(self, environment: Any, timeout_ns: int) -> None:
        self._environment = environment
        self.rows = Rows(timeout_ns)
        self._base: int = environment.stats.total.num_requests
        self._shipped = 0
        self._counted = -1
        environment.events.request.add_listener(self._heard)
        environment.events.report_to_master.add_listener(self._sent_on)

    def journey(self, kind: type[Any], late_ns: int) -> Journey:
        return Journey(kind.__name__, late_ns, self.rows.timeout_ns, self._environment.events.request.fire)

    def counted(self) -> int:
        """How many requests Locust's statistics gained."""
        if self._counted >= 0:
            return self._counted
        return int(self._environment.stats.total.num_requests) + self._shipped - self._base

    def end(self) -> None:
        if self._counted < 0:
            self._counted = self.counted()
            self._environment.events.request.remove_listener(self._heard)
            self._environment.events.report_to_master.remove_listener(self._sent_on)

    def missed(self, kind: type[Any], due_ns: int) -> None:
        """A journey never made a request: one row under the name of its class, timed out."""
        self.journey(kind, 0).fail("journey", kind.__name__, NotSent(Failure.TIMEOUT, 0), due_ns)

    def raised(self, journey: Journey, steps: Steps | None, error: Exception) -> None:
        """The journey's own code raised: one row under the name of its task."""
        name = steps.task if steps is not None else journey.name
        since_ns = time.monotonic_ns() if journey.made else journey.began_ns
        journey.fail("journey", name, error, since_ns)
        user = None if steps is None else steps.user
        self._environment.events.user_error.fire(user_instance=user, exception=error, tb=error.__traceback__)
        said = f"{journey.name}, {name}: {traceback.format_exception_only(error)[-1].strip()}"
        if said not in _told and len(_told) < _TOLD:
            _told.add(said)
            last = traceback.extract_tb(error.__traceback__)[-1:]
            place = "".join(f" ({step.filename}:{step.lineno})" for step in last)
            log.warning("a journey failed (said once): %s%s", said, place)

    def _sent_on(self, data: dict[str, Any], **_: Any) -> None:
        # A worker's statistics go to the master now and then, and begin again.
        self._shipped += int(data.get("stats_total", {}).get("num_requests", 0))

    def _heard(
        self,
        name: Any,
        response_time: Any,
        response_length: Any = 0,
        exception: Any = None,
        response: Any = None,
        start_time: float | None = None,
        **_: Any,
    ) -> None:
        now_ns = time.monotonic_ns()
        took_ns = round(float(response_time or 0) * 1e6)
        sent_ns = now_ns - took_ns if start_time is None else now_ns - round((time.time() - start_time) * 1e9)
        sent_ns = min(sent_ns, now_ns)
        failure, status = outcome(exception, response)
        said = response if isinstance(response, Answered) else _NOTHING
        journey = journey_here()
        late_ns = journey.late_ns if journey is not None and not journey.made else 0
        if journey is not None:
            journey.enter(failure)
        self.rows.add(
            str(name),
            failure,
            due_ns=sent_ns - late_ns,
            sent_ns=0 if isinstance(exception, NotSent) else sent_ns,
            done_ns=min(sent_ns + took_ns, now_ns),
            status=status,
            size=int(response_length or 0),
            key=said.key,
            version=said.version,
            backend=said.backend,
        )
