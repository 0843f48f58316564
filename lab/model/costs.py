"""What a fix may cost where nothing is wrong: the same measures for every scenario. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lab.model.kinds import Kinds
from lab.model.measures import PER_REQUEST, SAMPLES
from lab.model.scenario import Measure, Scenario

P95_WANTS = 100  # requests in a block: of fewer, the 95th percentile is the luck of a handful

COSTS: tuple[Measure, ...] = (
    Measure(name="median answer time", measure="latency.p50"),
    Measure(name="95th percentile of answer time", measure="latency.p95"),
    Measure(name="failed requests", measure="errors.share"),
    Measure(name="size of an answer", measure="bytes.per_response"),
    Measure(name="CPU time of the app per request", measure="cpu.app", per=PER_REQUEST),
    Measure(name="CPU time of Postgres per request", measure="cpu.postgres", per=PER_REQUEST),
    Measure(name="CPU time of Redis per request", measure="cpu.redis", per=PER_REQUEST),
    Measure(name="peak memory of the app", measure="memory.peak"),
    Measure(name="Redis commands per request", measure="redis.commands", per=PER_REQUEST),
    Measure(name="Postgres statements per request", measure="postgres.calls", per=PER_REQUEST),
    Measure(name="Postgres pages per request", measure="postgres.blocks", per=PER_REQUEST),
    Measure(name="Postgres log (WAL) per request", measure="wal.bytes", per=PER_REQUEST),
)
"""Latency, processor, memory, traffic and writes; each is measured wherever the stack has what it reads."""


def on_a_calm_day(scenario: Scenario, kinds: Kinds) -> Scenario:
    """The same app under the same load, without any fault, measured for what a fix costs there."""
    return replace(
        scenario,
        faults=(),
        symptoms=tuple(_measurable(scenario, kinds)),
        guardrails=(),
        evidence=(),
        closing=None,
    )


def _measurable(scenario: Scenario, kinds: Kinds) -> Iterator[Measure]:
    load, stack = scenario.load, frozenset(scenario.stack.names)
    for measure in COSTS:
        if measure.measure == "latency.p95" and load.rate * load.block < P95_WANTS:
            continue
        if measure.measure in SAMPLES or _is_there(measure, kinds, stack):
            yield measure


def _is_there(measure: Measure, kinds: Kinds, stack: frozenset[str]) -> bool:
    probe = kinds.probes.get(measure.measure.partition(".")[0])
    return probe is not None and frozenset(probe.needs) <= stack
