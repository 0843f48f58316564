"""What the balancer tells of its backends: as a document for people, and for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from sample_app.balancer.backends import Backends

_NOW = {
    "in_flight": "Requests that wait for an answer of the backend now",
    "healthy": "Whether the backend is in rotation",
    "weight": "What share of the requests it is meant to get, against the other weights",
}
_COUNTED = {
    "picked": "Requests sent to the backend",
    "failed": "Requests that got no whole answer from it",
    "transitions": "Times it was taken out of the rotation or back in",
    "ejections": "Times it was taken out of the rotation",
}


def status_of(backends: Backends) -> dict[str, Any]:
    """The document of ``/balancer/status``. Totals are since the start of the balancer."""
    names = ("name", *_NOW, *_COUNTED)
    return {
        "backends": [{name: getattr(backend, name) for name in names} for backend in backends],
        "in_rotation": len(backends.in_rotation()),
        **{
            name: sum(getattr(backend, name) for backend in backends) for name in ("transitions", "ejections")
        },
    }


class Exported:
    """A collector of prometheus_client."""

    def __init__(self, backends: Backends) -> None:
        self._backends = backends

    def collect(self) -> Iterator[Metric]:
        for names, family in ((_NOW, GaugeMetricFamily), (_COUNTED, CounterMetricFamily)):
            for name, what in names.items():
                found: Metric = family(f"balancer_backend_{name}", what, labels=["backend"])
                for backend in self._backends:
                    found.add_metric([backend.name], float(getattr(backend, name)))  # type: ignore[attr-defined]
                yield found
