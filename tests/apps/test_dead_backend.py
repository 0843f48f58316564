"""Where a request goes that failed at a backend."""

from __future__ import annotations

from sample_app.balancer.backends import Backends
from sample_app.balancer.policy import Request
from sample_app.problems.dead_backend import retry_next_backend


def test_a_failed_request_goes_to_the_next_and_takes_no_turn_from_another() -> None:
    backends = Backends([f"http://127.0.0.1:{port}" for port in (1, 2, 3)])
    policy = retry_next_backend(backends)
    first, again = [], []
    for _ in range(6):
        backend = policy.pick(Request("GET", "/"))
        assert backend is not None
        first.append(backend.name)
        if (following := policy.pick(Request("GET", "/", tried=(backend,)))) is not None:
            again.append(following.name)
    assert first == ["app-1", "app-2", "app-3"] * 2
    assert again == ["app-2", "app-3", "app-1"] * 2
    assert policy.retries == 1
