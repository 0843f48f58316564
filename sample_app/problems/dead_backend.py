"""Three instances take requests in turn. What becomes of the turns of one that is gone?"""

from __future__ import annotations

from sample_app.balancer.backends import Backend, Backends
from sample_app.balancer.policy import HealthChecks, Policy, Request, RoundRobin


def problem(backends: Backends) -> Policy:
    """The list of backends is the one that somebody wrote, whoever of them is alive."""
    return Policy(pick=RoundRobin(backends))


def health_checks(backends: Backends) -> Policy:
    """Each backend is asked ten times a second; three bad answers in a row and it has no more turns."""
    return Policy(pick=RoundRobin(backends), watch=HealthChecks(backends, fall=3).watch)


def retry_next_backend(backends: Backends) -> Policy:
    """A request that fails at one backend is sent to the next; nobody else loses a turn by it."""
    turn = RoundRobin(backends)

    def pick(request: Request) -> Backend | None:
        return _following(backends, request.tried[-1]) if request.tried else turn(request)

    return Policy(pick=pick, retries=1)


VARIANTS = (problem, health_checks, retry_next_backend)


# retry_next_backend


def _following(backends: Backends, backend: Backend) -> Backend:
    """The next in the list, after the last the first."""
    return backends[(list(backends).index(backend) + 1) % len(backends)]
