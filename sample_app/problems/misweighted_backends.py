"""Instances of different size, each of which gets a share of the requests by its weight.

The weights were written down when the second machine was the large one. Does anybody still know why?
"""

from __future__ import annotations

from collections.abc import Sequence

from sample_app.balancer.backends import Backend, Backends
from sample_app.balancer.policy import Pick, Policy, Request


def problem(backends: Backends) -> Policy:
    """As it was set up: the second instance gets as much as the other two together."""
    return Policy(pick=_weighted(backends, (1, 2, 1)))


def equal_weights(backends: Backends) -> Policy:
    """To each the same, which is right where they are the same."""
    return Policy(pick=_weighted(backends, (1, 1, 1)))


def adjust_weights(backends: Backends) -> Policy:
    """To each by the CPU that it has: 14 times as much for the first and the third as for the second."""
    return Policy(pick=_weighted(backends, (14, 1, 14)))


VARIANTS = (problem, equal_weights, adjust_weights)


# What the variants share.


def _weighted(backends: Backends, weights: Sequence[float]) -> Pick:
    """Smooth weighted round-robin, as nginx does it: shares by weight, the turns of each spread evenly.

    Each turn credits every backend with its weight; the one with the most credit is picked and pays for all.
    """
    for backend, weight in zip(backends, weights, strict=True):
        backend.weight = weight
    credit = {backend.name: 0.0 for backend in backends}

    def pick(request: Request) -> Backend | None:
        able = [one for one in backends.in_rotation() if one not in request.tried]
        if not able:
            return None
        for one in able:
            credit[one.name] += one.weight
        chosen = max(able, key=lambda one: credit[one.name])
        credit[chosen.name] -= sum(one.weight for one in able)
        return chosen

    return pick
