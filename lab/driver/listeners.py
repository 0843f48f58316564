"""Listeners of Locust's ``request`` event: told of each request where there are any, which costs 5 microseconds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from lab.driver.ledger import Ledger
from lab.driver.schedule import Target
from lab.driver.words import BlockOrder, Failure

_LOCUST = ("locust.", "lab.")
log = logging.getLogger(__name__)


class RequestFailed(Exception):
    """What a listener gets as ``exception``; ``failure`` says how, ``status`` is 0 without an answer."""

    def __init__(self, failure: Failure, status: int) -> None:
        super().__init__(f"{failure.name.lower()} (status {status})" if status else failure.name.lower())
        self.failure = failure
        self.status = status


def listeners(environment: Any) -> list[Callable[..., Any]]:
    """Who listens beside Locust's own statistics."""
    found: list[Callable[..., Any]] = environment.events.request._handlers
    return [one for one in found if not (getattr(one, "__module__", None) or "").startswith(_LOCUST)]


def teller(
    environment: Any, ledger: Ledger, targets: Sequence[Target], order: BlockOrder
) -> Callable[[int], None] | None:
    """Tells all listeners of a request that ended, with the arguments of Locust's own clients; None without any."""
    hearing = listeners(environment)
    if not hearing:
        return None
    wall_s = time.time() - time.monotonic()

    def tell(i: int) -> None:
        row = ledger.row(i)
        target = targets[i]
        for one in hearing:
            try:
                one(
                    request_type=target.method,
                    name=order.requests[target.name].name,
                    response_time=(row.done_ns - row.due_ns) / 1e6,
                    response_length=row.size,
                    exception=RequestFailed(row.failure, row.status) if row.failure else None,
                    context={},
                    url=order.url + target.path,
                    start_time=row.due_ns / 1e9 + wall_s,
                    response=None,
                )
            except Exception:
                log.exception("a listener of the request event failed")

    return tell
