"""A backend is well where Postgres and Redis answer it, so says its health check.

Whom does the balancer send requests to while Redis answers nobody?
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from sample_app.balancer.backends import Backend, Backends
from sample_app.balancer.policy import HealthChecks, Policy, Request, RoundRobin


def problem(backends: Backends) -> Policy:
    """One bad check takes a backend out: what they share takes all of them out in the same moment."""
    return Policy(pick=RoundRobin(backends), watch=HealthChecks(backends, "/health").watch)


def failure_threshold(backends: Backends) -> Policy:
    """Three bad checks in a row take a backend out, so that a shorter moment takes out nobody."""
    return Policy(pick=RoundRobin(backends), watch=HealthChecks(backends, "/health", fall=3).watch)


def panic_threshold(backends: Backends) -> Policy:
    """Where the checks leave less than half of the backends, all have their turn: the checks are wrong."""
    return Policy(pick=PanicThreshold(backends), watch=HealthChecks(backends, "/health").watch)


VARIANTS = (problem, failure_threshold, panic_threshold)


# panic_threshold


class PanicThreshold:
    """Each in its turn: of those in rotation, or of all where those are fewer than ``share`` of all."""

    def __init__(self, backends: Backends, share: float = 0.5) -> None:
        self._backends, self._least = backends, share * len(backends)
        self._turn = count()

    def __call__(self, request: Request) -> Backend | None:
        able: Sequence[Backend] = self._backends.in_rotation()
        if len(able) < self._least:
            able = self._backends
        able = [backend for backend in able if backend not in request.tried]
        return able[next(self._turn) % len(able)] if able else None
