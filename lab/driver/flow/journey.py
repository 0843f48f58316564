"""What is known of a journey while it is under way, and what Locust's ``request`` event says of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from gevent import GreenletExit, Timeout, getcurrent
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession
from locust.exception import CatchResponseError, ResponseError

from lab.driver.failures import failure_of
from lab.driver.listeners import RequestFailed
from lab.driver.words import Failure

_KEY = "lab.driver.flow.journey"


class NotSent(RequestFailed):
    """There was not even a request."""


class Journey:
    """One journey, or all of a closed user's. ``late_ns`` is how long after its moment it began.

    The first request is due so much before it is sent: a user's own thinking time is nobody's lateness.
    """

    def __init__(self, name: str, late_ns: int, timeout_ns: int, fire: Callable[..., None]) -> None:
        self.name = name  # of the user class
        self.began_ns = time.monotonic_ns()
        self.late_ns = late_ns
        self.timeout_ns = timeout_ns
        self.made = 0
        self.failure = Failure.NONE  # of its first request that failed
        self._fire = fire

    def join(self) -> None:
        """From here on this greenlet, and each that it starts, belongs to the journey."""
        getcurrent().spawn_tree_locals = {_KEY: self}

    def left_s(self) -> float:
        """Seconds that the next request has."""
        return max(0, self.timeout_ns - (0 if self.made else self.late_ns)) / 1e9

    def enter(self, failure: Failure) -> None:
        """A request of it ended."""
        self.made += 1
        if self.failure is Failure.NONE:
            self.failure = failure

    def fail(self, kind: str, name: str, error: BaseException, since_ns: int) -> None:
        """Tell everybody of a failure that no client of Locust's tells of."""
        elapsed_s = (time.monotonic_ns() - since_ns) / 1e9
        self._fire(
            request_type=kind,
            name=name,
            response_time=elapsed_s * 1e3,
            response_length=0,
            exception=error,
            context={},
            response=None,
            start_time=time.time() - elapsed_s,
            url=None,
        )


def journey_here() -> Journey | None:
    """The journey that the running greenlet belongs to."""
    found = getattr(getcurrent(), "spawn_tree_locals", None) or {}
    return found.get(_KEY) if isinstance(found, dict) else None


def give_deadlines(user: Any) -> None:
    """Have each request of the user's own client end with its time-out: stock ones wait for a minute, or for ever."""
    client = getattr(user, "client", None)
    if not isinstance(client, HttpSession | FastHttpSession):
        return
    ask = client.request

    def ask_in_time(method: Any, url: Any, name: str | None = None, *rest: Any, **options: Any) -> Any:
        journey = journey_here()
        if journey is None:
            return ask(method, url, name, *rest, **options)
        began_ns = time.monotonic_ns()
        try:
            # What sockets raise themselves: clients make of it what they make of a server's silence.
            with Timeout(journey.left_s(), TimeoutError("no complete answer within the time-out")):
                return ask(method, url, name, *rest, **options)
        except GreenletExit:
            given_up = RequestFailed(Failure.TIMEOUT, 0)
            journey.fail(
                str(method), str(name or getattr(client, "request_name", None) or url), given_up, began_ns
            )
            raise

    user.client.request = ask_in_time


def outcome(exception: Any, response: Any) -> tuple[Failure, int]:
    """How a request ended that a client of Locust's tells of, and the status of its answer (0 without one)."""
    status = getattr(response, "status_code", 0)
    status = status if isinstance(status, int) else 0
    if not exception:
        return Failure.NONE, status
    if isinstance(exception, RequestFailed):
        return exception.failure, exception.status
    refused = isinstance(exception, CatchResponseError | ResponseError | str)  # by the journey's own code
    cause = getattr(response, "error", None) if refused else exception
    if (
        not (refused and status)
        and isinstance(cause, BaseException)
        and (how := failure_of(cause)) is not None
    ):
        return how, 0
    if status >= 400:
        return Failure.STATUS, status
    return (Failure.CONTENT if status or refused else Failure.JOURNEY), status
