"""From samples to values: latency counts from the due moment, absent is not zero, one late request is no verdict."""

from __future__ import annotations

import numpy as np
import pytest

from lab.model.load import SAMPLE, BlockLoad, GeneratorChecks
from lab.model.scenario import Measure
from lab.runner.readings import Reading, recovery_s, shown, value_of
from lab.runner.validity import Surroundings, disturbances, schedule_error_s

MS = 1_000_000


def load(
    latencies_ms: list[float], errors: list[int] | None = None, late_ms: float = 0.0, names: int = 1
) -> BlockLoad:
    samples = np.zeros(len(latencies_ms), SAMPLE)
    samples["due_ns"] = np.arange(len(latencies_ms)) * 10 * MS
    samples["sent_ns"] = samples["due_ns"] + int(late_ms * MS)
    samples["done_ns"] = samples["due_ns"] + (np.array(latencies_ms) * MS).astype(int)
    samples["error"] = errors or 0
    samples["name"] = np.arange(len(latencies_ms)) % names
    n = len(latencies_ms)
    checks = GeneratorChecks(
        asked=n, sent=n, answered=n, schedule_error_p50_s=0.0, schedule_error_p99_s=0.0, cpu_share_max=0.1,
        idle_connections=True, achieved=1.0, cpu_s=0.0, queued=0, retried=0, recorded=n, counted=n,
    )  # fmt: skip
    return BlockLoad(n=1, samples=samples, names=("page", "other")[:names], checks=checks, schedule_sha256="")


def reading(of: BlockLoad, calls: float | None = None, **events: int) -> Reading:
    counters = {} if calls is None else {"m": {"calls": calls}}
    return Reading(load=of, counters=counters, events=events, end_ns=1000 * MS)


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        (Measure(name="m", measure="latency.p50"), 30.0),
        (Measure(name="m", measure="latency.mean"), 40.0),
        (Measure(name="m", measure="latency.share_over", over="35ms"), 0.4),
        (Measure(name="m", measure="errors.share"), 0.2),
    ],
)
def test_values_of_the_requests(measure: Measure, value: float) -> None:
    assert value_of(measure, reading(load([10, 20, 30, 40, 100], [0, 0, 0, 0, 3]))) == pytest.approx(value)


def test_a_measure_of_one_request_reads_only_that_one() -> None:
    two = load([10, 500, 10, 500], names=2)
    assert value_of(Measure(name="m", measure="latency.p50", of="page"), reading(two)) == pytest.approx(10)
    assert value_of(Measure(name="m", measure="latency.p50", of="other"), reading(two)) == pytest.approx(500)


def test_a_count_for_each_event_is_absent_where_there_was_none() -> None:
    calls = Measure(name="m", measure="postgres.calls", of="ranking", per="expiry", limit=1)
    assert value_of(calls, reading(load([1]), calls=12, expiry=2)) == 6
    assert value_of(calls, reading(load([1]), calls=0)) is None


def test_a_count_for_each_request_divides_by_all_of_them() -> None:
    calls = Measure(name="m", measure="postgres.calls", of="page", per="request", tolerance=0.1)
    assert value_of(calls, reading(load([1, 1, 1, 1]), calls=8)) == 2


def test_an_empty_block_has_no_values() -> None:
    assert value_of(Measure(name="m", measure="latency.p50"), reading(load([]))) is None
    assert shown(load([])) == {}


def test_recovery_is_the_last_failure_after_the_heal() -> None:
    failing = load([1, 1, 1, 1], [1, 1, 1, 0])
    assert recovery_s(failing, 5 * MS) == pytest.approx(0.016)
    assert recovery_s(failing, 100 * MS) == 0


def around(late_s: float = 0.0, **other: float) -> Surroundings:
    facts = {"overshoot_s": 0.0, "steal": 0.0, "healthy_p50_s": 0.002, "time_limit_s": 0.0} | other
    return Surroundings(schedule_error_s=late_s, **facts)


@pytest.mark.parametrize(
    ("surroundings", "word"),
    [
        (around(overshoot_s=0.3), "stalled"),
        (around(steal=0.2), "stolen"),
        (around(late_s=0.003), "late"),
    ],
)
def test_a_disturbed_block_says_why(surroundings: Surroundings, word: str) -> None:
    (reason,) = disturbances(load([1]).checks, surroundings)
    assert word in reason


def test_a_quiet_block_is_not_disturbed() -> None:
    assert disturbances(load([1]).checks, around()) == ()


def test_lateness_is_judged_against_what_is_measured() -> None:
    assert disturbances(load([1]).checks, around(late_s=0.009, time_limit_s=0.1)) == ()
    assert disturbances(load([1]).checks, around(late_s=0.011, time_limit_s=0.1)) != ()


def test_one_late_request_of_sixty_is_not_the_block() -> None:
    block = load([5.0] * 60)
    block.samples["sent_ns"][7] += 50 * MS
    assert schedule_error_s(block) == 0
    block.samples["sent_ns"] += 50 * MS
    assert schedule_error_s(block) >= 0.05
