"""Product pages, exports and comparisons of descriptions, mixed, for three instances.

A page takes a millisecond, the others keep an instance busy for a hundred times as long.
Who waits for whom?
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from sample_app.balancer.backends import Backend, Backends
from sample_app.balancer.connections import Asked, Failed
from sample_app.balancer.policy import Pick, Policy, Request, RoundRobin
from sample_app.problems import uneven_load


def problem(backends: Backends) -> Policy:
    """Each in its turn, whatever is asked for."""
    return Policy(pick=RoundRobin(backends))


def load_aware_routing(backends: Backends) -> Policy:
    """Each heavy kind goes where the metrics show most left of what it needs, the rest in turn."""
    seen = Seen(backends)
    return Policy(pick=by_metrics(backends, seen), watch=seen.watch)


def dedicated_pool(backends: Backends) -> Policy:
    """The last instance does the heavy work and nothing else, and all the others none of it."""
    return Policy(pick=_apart(backends))


def least_connections(backends: Backends) -> Policy:
    """Whoever has the fewest requests waiting, whatever they are."""
    return uneven_load.least_connections(backends)


VARIANTS = (problem, load_aware_routing, dedicated_pool, least_connections)


# What the variants share.


def _needs_cpu(request: Request) -> bool:
    return request.path.startswith("/reports/alike/")


def _needs_memory(request: Request) -> bool:
    return request.path == "/reports/orders.csv"


# load_aware_routing


def by_metrics(backends: Backends, seen: Seen) -> Pick:
    turns = RoundRobin(backends)

    def pick(request: Request) -> Backend | None:
        able = [one for one in backends.in_rotation() if one not in request.tried]
        if able and _needs_cpu(request):
            return min(able, key=lambda one: seen.cpu.get(one.name, 0.0))
        if able and _needs_memory(request):
            return min(able, key=lambda one: seen.memory.get(one.name, 0.0))
        return turns(request)

    return pick


@dataclass
class Seen:
    """The metrics of each backend, as scraped last: cores in use since the scrape before, bytes resident."""

    backends: Backends
    every_s: float = 0.25  # a monitoring system has 5 to 60 s: this is as fresh as it gets
    cpu: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)

    async def watch(self) -> None:
        """Until cancelled. A backend that is busy answers late, and the others are asked all the same."""
        async with asyncio.TaskGroup() as group:
            for backend in self.backends:
                group.create_task(self._watch(backend))

    async def _watch(self, backend: Backend) -> None:
        used_s = at = 0.0
        while True:
            await asyncio.sleep(self.every_s)
            try:
                told = await _metrics(backend)
            except Failed:
                continue
            before, last = used_s, at
            used_s, at = told["process_cpu_seconds_total"], time.monotonic()
            self.cpu[backend.name] = (used_s - before) / (at - last) if last else 0.0
            self.memory[backend.name] = told["process_resident_memory_bytes"]


async def _metrics(backend: Backend) -> dict[str, float]:
    asked = Asked(b"GET", b"/metrics", [(b"host", b"metrics"), (b"connection", b"close")])
    text = (await backend.connections.ask_anew(asked)).body.decode()
    families = text_string_to_metric_families(text)
    return {sample.name: sample.value for family in families for sample in family.samples}


# dedicated_pool


def _apart(backends: Backends) -> Pick:
    turns = RoundRobin(backends)

    def pick(request: Request) -> Backend | None:
        heavy = _needs_cpu(request) or _needs_memory(request)
        *light_ones, heavy_one = backends
        others = light_ones if heavy else [heavy_one]
        # Where nobody is left who should do it, somebody who should not does.
        return turns(_never(request, others)) or turns(request)

    return pick


def _never(request: Request, others: list[Backend]) -> Request:
    return Request(request.method, request.path, request.headers, (*request.tried, *others))
