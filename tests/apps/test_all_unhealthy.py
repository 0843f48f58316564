"""Whom requests are sent to where the checks leave few or none of three backends."""

from __future__ import annotations

import pytest

from sample_app.balancer.backends import Backends
from sample_app.balancer.policy import Request
from sample_app.problems.all_unhealthy import VARIANTS, panic_threshold, problem

ALL = ("app-1", "app-2", "app-3")


@pytest.mark.parametrize(
    ("out", "picked", "in_panic"),
    [
        ((), ALL, ALL),
        (("app-2",), ("app-1", "app-3"), ("app-1", "app-3")),
        (("app-2", "app-3"), ("app-1",), ALL),
        (ALL, (), ALL),
    ],
)
def test_checks_count_as_long_as_they_leave_half(
    out: tuple[str, ...], picked: tuple[str, ...], in_panic: tuple[str, ...]
) -> None:
    for variant, expected in ((problem, picked), (panic_threshold, in_panic)):
        backends = Backends([f"http://127.0.0.1:{port}" for port in (1, 2, 3)])
        for backend in backends:
            backends.mark(backend, backend.name not in out)
        policy = variant(backends)
        turns = [policy.pick(Request("GET", "/")) for _ in range(6)]
        assert {backend.name for backend in turns if backend} == set(expected)
        assert (None in turns) == (not expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_nobody_is_tried_twice(variant) -> None:
    backends = Backends(["http://127.0.0.1:1", "http://127.0.0.1:2"])
    for backend in backends:
        backends.mark(backend, False)
    assert variant(backends).pick(Request("GET", "/", tried=tuple(backends))) is None
