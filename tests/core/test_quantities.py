"""Downtime, recovery, lost throughput and sizes of one block, against slow ways to count the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.model.load import SAMPLE, BlockLoad, GeneratorChecks, Samples
from lab.model.measures import SAMPLES
from lab.model.scenario import Measure
from lab.runner.readings import QUANTITIES, Reading, value_of

MS = 1_000_000
START_NS = 86_400 * 10**9  # a machine that was up for a day
LENGTH_MS = 500


@dataclass(frozen=True)
class Asked:
    """One request, in milliseconds from the start of the block."""

    due: int
    took: int = 5
    failed: bool = False
    octets: int = 100
    name: int = 0


def samples(asked: list[Asked]) -> Samples:
    made = np.zeros(len(asked), SAMPLE)
    made["due_ns"] = [START_NS + one.due * MS for one in asked]
    made["done_ns"] = [START_NS + (one.due + one.took) * MS for one in asked]
    made["error"] = [3 * one.failed for one in asked]
    made["bytes"] = [one.octets for one in asked]
    made["name"] = [one.name for one in asked]
    return made


CHECKS = GeneratorChecks(
    asked=1, sent=1, answered=1, schedule_error_p50_s=0.0, schedule_error_p99_s=0.0, cpu_share_max=0.1,
    idle_connections=True, achieved=1.0, cpu_s=0.0, queued=0, retried=0, recorded=1, counted=1,
)  # fmt: skip


def valued(
    measure: str,
    asked: list[Asked],
    moments: tuple[int, ...] = (),
    over: str | None = None,
    of: str | None = None,
) -> float | None:
    load = BlockLoad(n=1, samples=samples(asked), names=("page", "other"), checks=CHECKS, schedule_sha256="")
    reading = Reading(
        load=load,
        counters={},
        events={},
        end_ns=START_NS + LENGTH_MS * MS,
        moments=tuple(START_NS + at * MS for at in moments),
    )
    return value_of(Measure(name="m", measure=measure, over=over, of=of), reading)  # type: ignore[arg-type]


DUE = st.lists(st.integers(0, LENGTH_MS - 1), min_size=1, max_size=40, unique=True).map(sorted)


@st.composite
def blocks(draw: st.DrawFn) -> list[Asked]:
    return [
        Asked(due, draw(st.integers(0, 900)), draw(st.booleans()), draw(st.integers(0, 10**6)))
        for due in draw(DUE)
    ]


def down_millisecond_by_millisecond(asked: list[Asked]) -> int:
    """A service is down while the request that was due last has failed."""
    down = 0
    for now in range(LENGTH_MS):
        before = [one for one in asked if one.due <= now]
        down += bool(before) and before[-1].failed
    return down


def recovered_by_walking_back(asked: list[Asked], broke: int, over: int | None) -> int:
    until = LENGTH_MS
    for one in reversed([one for one in asked if one.due >= broke]):
        if one.failed or (over is not None and one.took > over):
            return until - broke
        until = one.due
    return 0


def test_every_measure_of_requests_is_computed_and_no_other() -> None:
    assert set(QUANTITIES) == set(SAMPLES)


@given(blocks())
def test_downtime_is_what_a_clock_would_count(asked: list[Asked]) -> None:
    assert valued("availability.downtime", asked) == down_millisecond_by_millisecond(asked)


@given(blocks())
def test_downtime_and_uptime_make_the_block_from_its_first_request_on(asked: list[Asked]) -> None:
    turned = [Asked(one.due, one.took, not one.failed) for one in asked]
    down, up = (valued("availability.downtime", one) for one in (asked, turned))
    assert down is not None
    assert up is not None
    assert down + up == LENGTH_MS - asked[0].due


@given(blocks(), st.integers(0, LENGTH_MS), st.none() | st.integers(1, 900))
def test_recovery_ends_where_the_last_bad_request_has_a_good_successor(
    asked: list[Asked], broke: int, over: int | None
) -> None:
    told = valued("recovery.time", asked, (0, broke), None if over is None else f"{over}ms")
    assert told == recovered_by_walking_back(asked, broke, over)


@given(blocks())
def test_lost_throughput_is_counted_one_by_one(asked: list[Asked]) -> None:
    lost = [one.failed or one.due + one.took > LENGTH_MS + 100 for one in asked]
    assert valued("throughput.lost", asked) == pytest.approx(sum(lost) / len(asked))


@given(blocks(), st.data())
def test_one_failure_more_never_looks_better(asked: list[Asked], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(asked) - 1))
    worse = [Asked(one.due, one.took, one.failed or n == at) for n, one in enumerate(asked)]
    for measure in ("availability.downtime", "recovery.time", "throughput.lost", "errors.share"):
        before, after = (valued(measure, one, moments=(100,)) for one in (asked, worse))
        assert before is not None
        assert after is not None
        assert 0 <= before <= after


@given(DUE, st.integers(0, 99))
def test_a_healthy_block_loses_nothing(due: list[int], took: int) -> None:
    well = [Asked(at, took) for at in due]
    told = [valued(m, well, (50,)) for m in ("availability.downtime", "recovery.time", "throughput.lost")]
    assert told == [0, 0, 0]


def test_a_single_failure_is_down_until_the_next_good_request() -> None:
    asked = [Asked(0), Asked(100, failed=True), Asked(130), Asked(400, failed=True)]
    assert valued("availability.downtime", asked) == 30 + 100


def test_a_block_that_ends_unrecovered_counts_up_to_its_end() -> None:
    asked = [Asked(at, failed=at >= 50) for at in range(0, LENGTH_MS, 10)]
    assert valued("recovery.time", asked, (50,)) == LENGTH_MS - 50


def test_recovery_without_a_fault_in_the_block_is_absent() -> None:
    assert valued("recovery.time", [Asked(10, failed=True)]) is None


def test_requests_beyond_the_block_are_none_of_its_offered_load() -> None:
    beyond = [Asked(10), Asked(LENGTH_MS + 20, failed=True)]  # a journey goes on after the last arrival
    assert valued("throughput.lost", beyond) == 0
    assert valued("availability.downtime", beyond) == 0
    assert valued("throughput.lost", beyond[1:]) is None


@pytest.mark.parametrize(
    ("asked", "mean"),
    [
        ([Asked(1, octets=300), Asked(2, octets=100)], 200),
        ([Asked(1, octets=300), Asked(2, octets=20, failed=True)], 300),
        ([Asked(1, failed=True)], None),
    ],
)
def test_bytes_are_those_of_good_answers(asked: list[Asked], mean: float | None) -> None:
    assert valued("bytes.per_response", asked) == mean


def test_each_quantity_is_of_the_requests_that_it_names() -> None:
    asked = [Asked(0, name=0), Asked(100, failed=True, name=1), Asked(150, name=0), Asked(200, name=1)]
    assert valued("availability.downtime", asked) == 50
    assert valued("availability.downtime", asked, of="other") == 100
    assert valued("availability.downtime", asked, of="page") == 0
    assert valued("availability.downtime", asked, of="never asked") is None
