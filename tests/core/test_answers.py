"""Staleness and balance from samples, against the definitions worked out one by one, and against scipy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.model.load import SAMPLE, BlockLoad, Failure, GeneratorChecks, Samples
from lab.model.scenario import Measure, Observe, Request
from lab.runner.answers import imbalance, stale_age_ms, stale_ages_ns, stale_share
from lab.runner.readings import Reading, value_of

FIGURES = (
    "asked", "sent", "answered", "schedule_error_p50_s", "schedule_error_p99_s", "cpu_share_max", "achieved",
    "cpu_s", "queued", "retried", "recorded", "counted",
)  # fmt: skip
NAMES = ("write", "read", "other", "blind")
REQUESTS = (
    Request(name="write", put="/a", observe=Observe(version="v", writes=True)),
    Request(name="read", get="/a", observe=Observe(version="v")),
    Request(name="other", get="/b", observe=Observe(version="v")),
    Request(name="blind", get="/c"),
)
MS = 1_000_000

Row = tuple[int, int, int, int, int, int]  # name, sent, done, key, version, error


def samples(rows: Sequence[Row]) -> Samples:
    found = np.zeros(len(rows), SAMPLE)
    for row, (name, sent, done, key, version, error) in zip(found, rows, strict=True):
        row["due_ns"] = row["sent_ns"] = sent
        row["name"], row["done_ns"], row["key"], row["version"], row["error"] = (
            name,
            done,
            key,
            version,
            error,
        )
    return found


def one_by_one(rows: Sequence[Row], of: str | None) -> list[int]:
    judged = [NAMES.index(of)] if of else [1, 2]
    ages = []
    for name, sent, _, key, version, error in rows:
        if name in judged and name in (1, 2) and sent > 0 and version >= 0 and not error:
            newer = [
                done for n, s, done, k, v, e in rows
                if n == 0 and not e and s > 0 and k == key and v > version and done < sent
            ]  # fmt: skip
            ages.append(sent - min(newer) if newer else 0)
    return sorted(ages)


blocks = st.lists(
    st.tuples(
        st.integers(0, 3), st.integers(0, 30), st.integers(0, 20), st.sampled_from([-1, 1, 2**63 - 1]),
        st.integers(-1, 6), st.sampled_from([0, 0, 0, int(Failure.STATUS)]),
    ).map(lambda one: (one[0], one[1], one[1] + one[2], *one[3:])),
    max_size=40,
)  # fmt: skip


@given(blocks, st.sampled_from([None, "read", "other", "blind", "write"]))
def test_staleness_is_what_the_definition_says(rows: list[Row], of: str | None) -> None:
    block, ages = samples(rows), one_by_one(rows, of)
    assert sorted(stale_ages_ns(block, NAMES, REQUESTS, of).tolist()) == ages
    share, age = (quantity(block, NAMES, REQUESTS, of) for quantity in (stale_share, stale_age_ms))
    if ages:
        assert share == pytest.approx(sum(age > 0 for age in ages) / len(ages))
        assert age == pytest.approx(sum(ages) / len(ages) / MS)
    else:
        assert share is None and age is None


def test_a_write_counts_from_when_it_was_acknowledged() -> None:
    rows = [
        (0, 1 * MS, 10 * MS, 5, 2, 0),  # acknowledged at 10
        (1, 9 * MS, 30 * MS, 5, 1, 0),  # sent before
        (1, 14 * MS, 15 * MS, 5, 1, 0),  # stale for 4 ms
        (1, 14 * MS, 15 * MS, 5, 2, 0),  # fresh
        (1, 14 * MS, 15 * MS, 6, 1, 0),  # of another thing
    ]
    assert stale_share(samples(rows), NAMES, REQUESTS) == 0.25
    assert stale_age_ms(samples(rows), NAMES, REQUESTS) == 1.0


@given(st.lists(st.integers(0, 5), max_size=60), st.integers(1, 8))
def test_imbalance_is_the_deviation_by_the_mean(answered: list[int], among: int) -> None:
    block = np.zeros(len(answered), SAMPLE)
    block["backend"] = answered
    counts = [answered.count(k) for k in range(1, 6) if k in answered]
    counts += [0] * (among - len(counts))
    found = imbalance(block, tuple("abcde"), among)
    if not sum(counts):
        assert found is None
    else:
        assert found == pytest.approx(np.std(counts) / np.mean(counts))


def test_one_of_three_that_does_all_the_work() -> None:
    block = np.zeros(300, SAMPLE)
    block["backend"] = 1
    assert imbalance(block, ("a",), 3) == pytest.approx(2**0.5)


def test_measures_of_a_block_are_read_from_its_answers() -> None:
    rows = [
        (0, 1 * MS, 10 * MS, 5, 2, 0),
        (1, 14 * MS, 15 * MS, 5, 2, 0),
        (2, 16 * MS, 17 * MS, 5, 1, 0),
    ]
    block = samples(rows)
    block["backend"] = [1, 1, 2]
    checks = GeneratorChecks(**dict.fromkeys(FIGURES, 0), idle_connections=True)  # type: ignore[arg-type]
    load = BlockLoad(n=1, samples=block, names=NAMES, checks=checks, schedule_sha256="", backends=("a", "b"))
    reading = Reading(load=load, counters={}, events={}, end_ns=20 * MS, requests=REQUESTS)

    def value(name: str, of: str | None = None) -> float | None:
        return value_of(Measure(name="m", measure=name, of=of, among=2), reading)

    assert value("staleness.share") == 0.5 and value("staleness.age") == 3.0
    assert value("staleness.share", "read") == 0.0 and value("staleness.age", "other") == 6.0
    assert value("staleness.share", "write") is None and value("staleness.age", "blind") is None
    assert value("balance.cv") == pytest.approx(1 / 3) and value("balance.cv", "other") == 1.0
