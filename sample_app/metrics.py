"""What the process counts about itself, for ``/metrics`` (Prometheus) and ``/debug/metrics``."""

from __future__ import annotations

from collections.abc import Callable

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

_BUCKETS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counts of one process. With several processes each answers for itself: scrape them apart."""

    def __init__(self) -> None:
        self.process = psutil.Process()
        self.process.cpu_percent()  # the first reading is always 0: the next ones count from here
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.active = self.total = self.errors = 0
        self._active = Gauge("shop_requests_active", "Requests being answered now", registry=self.registry)
        self._active.set_function(lambda: self.active)
        self._answers = Counter(
            "shop_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "shop_request_seconds",
            "Time to answer",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )

        self.late = Counter(
            "shop_loop_late_seconds",
            "Time by which the event loop was late for a timer, in all",
            registry=self.registry,
        )

    def watch(self, name: str, what: str, read: Callable[[], float]) -> None:
        """Export what ``read`` returns at each scrape as the gauge ``name``."""
        Gauge(name, what, registry=self.registry).set_function(read)

    def began(self) -> None:
        self.active += 1
        self.total += 1

    def ended(self, method: str, route: str, status: int, seconds: float) -> None:
        """``route`` is the template (``/products/{product_id}``), so that there are few label values."""
        self.active -= 1
        self.errors += status >= 500
        self._answers.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)
