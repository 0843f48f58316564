"""Three instances that should be alike, and one that has become slow. Which of them gets the next request?

The balancer knows how many requests wait at each for an answer. Does it look?
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from sample_app.balancer.backends import Backend, Backends
from sample_app.balancer.policy import Pick, Policy, Request, RoundRobin


def problem(backends: Backends) -> Policy:
    """Each in its turn, whether or not it is done with what it got before."""
    return Policy(pick=RoundRobin(backends))


def least_connections(backends: Backends) -> Policy:
    """Whoever has the fewest requests waiting; in turn among equals, or one would get all of a calm day."""
    return Policy(pick=_least_busy_of(RoundRobin(backends), backends, lambda able: able))


def power_of_two_choices(backends: Backends) -> Policy:
    """The less busy of two that are drawn: nearly as even, and no herd where several balancers decide."""
    return Policy(pick=_least_busy_of(RoundRobin(backends), backends, _two))


VARIANTS = (problem, least_connections, power_of_two_choices)


# What the fixes share.


def _least_busy_of(
    turns: RoundRobin, backends: Backends, drawn: Callable[[Sequence[Backend]], Sequence[Backend]]
) -> Pick:
    def pick(request: Request) -> Backend | None:
        next_one = turns(request)
        if next_one is None:
            return None
        able = [one for one in backends.in_rotation() if one not in request.tried]
        return min(drawn(able), key=lambda one: (one.in_flight, one is not next_one))

    return pick


def _two(able: Sequence[Backend]) -> Sequence[Backend]:
    return random.sample(able, min(2, len(able)))
