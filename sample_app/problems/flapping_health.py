"""Backends are asked whether they are well, and whoever does not answer in time is out.

How sure is one answer?
"""

from __future__ import annotations

from sample_app.balancer.backends import Backends
from sample_app.balancer.policy import HealthChecks, Policy, RoundRobin


def problem(backends: Backends) -> Policy:
    """One answer later than 50 ms takes a backend out, twenty good ones bring it back."""
    checks = HealthChecks(backends, timeout_s=0.05, fall=1, rise=20)
    return Policy(pick=RoundRobin(backends), watch=checks.watch)


def failure_threshold(backends: Backends) -> Policy:
    """Three in a row later than 100 ms take it out, the first good one brings it back."""
    checks = HealthChecks(backends, timeout_s=0.1, fall=3, rise=1)
    return Policy(pick=RoundRobin(backends), watch=checks.watch)


def hysteresis(backends: Backends) -> Policy:
    """Three in a row take it out, ten bring it back: one answer changes nothing, either way."""
    checks = HealthChecks(backends, timeout_s=0.1, fall=3, rise=10)
    return Policy(pick=RoundRobin(backends), watch=checks.watch)


VARIANTS = (problem, failure_threshold, hysteresis)
