"""The books of requests that are asked again: pure, from given moments."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from lab.driver import ledger as _ledger
from lab.driver import tries as _tries
from lab.driver.choice import choose
from lab.driver.tries import LedgerOfTries
from lab.driver.words import BlockOrder, Failure, Retry
from lab.model.scenario import Request, Stage

MS = 1_000_000
RETRY = Retry(tries=3, after_s=0.02, timeout_s=0.1)


@dataclass
class Books:
    """One request that is due at 0 and times out after ``timeout`` ms; ``asked`` are the moments of its tries."""

    retry: Retry = RETRY
    timeout: int = 1000
    wall: int = 0
    again: list[int] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)

    def __enter__(self) -> Books:
        self.patch = pytest.MonkeyPatch()
        for module in (_ledger, _tries):
            self.patch.setattr(module, "monotonic_ns", lambda: self.wall)
        self.ledger = LedgerOfTries(
            [0], self.timeout * MS, lambda: self.finished.append(self.wall), self.retry, self.again.append
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.patch.undo()

    def at(self, ms: int) -> LedgerOfTries:
        self.wall = ms * MS
        return self.ledger

    @property
    def row(self) -> np.void:
        row: np.void = self.ledger.samples([0])[0]
        return row


def test_a_good_answer_to_the_second_try_counts_from_the_due_moment() -> None:
    with Books() as books:
        books.at(1).send(0)
        books.at(5).close(0, Failure.STATUS, 500, 9)
        assert (books.again, books.finished, books.ledger.ended(0)) == ([0], [], False)
        books.at(25).send(0)
        books.at(30).close(0, Failure.NONE, 200, 4)
        assert books.row.tolist() == (0, 1 * MS, 30 * MS, 200, 4, 0, Failure.NONE, -1, -1, 0, 2)
        assert len(books.finished) == 1 and books.ledger.open == 0


def test_the_last_failure_is_the_end() -> None:
    with Books() as books:
        for n in range(3):
            books.at(10 + 40 * n).send(0)
            books.at(15 + 40 * n).close(0, Failure.REFUSED)
        assert (books.row["done_ns"], books.row["error"], books.row["tries"]) == (95 * MS, Failure.REFUSED, 3)
        assert books.again == [0, 0]


def test_a_try_without_an_answer_ends_when_its_client_gives_up() -> None:
    with Books(retry=replace(RETRY, tries=2)) as books:
        books.at(1).send(0)
        assert books.at(100).given_up([0]) == []
        assert books.at(101).given_up([0]) == [0]
        books.at(108).close(0, Failure.TIMEOUT)
        assert books.at(500).given_up([0]) == []  # none is under way
        books.at(510).send(0)
        books.at(615).close(0, Failure.NONE, 200, 4)  # nobody waited for it any more
        assert (books.row["done_ns"], books.row["error"], books.row["status"]) == (
            610 * MS,
            Failure.TIMEOUT,
            0,
        )


def test_no_try_begins_after_the_time_out_of_the_request() -> None:
    with Books(timeout=100) as books:
        books.at(1).send(0)
        books.at(85).close(0, Failure.RESET)
        assert books.again == [] and (books.row["done_ns"], books.row["error"]) == (85 * MS, Failure.RESET)
    with Books(timeout=100) as books:
        books.at(1).send(0)
        books.at(50).close(0, Failure.RESET)
        assert books.at(100).overdue(0) == ([0], 1)  # while it waits for its next try
        books.at(104).close(0, Failure.TIMEOUT)
        assert (books.again, books.row["done_ns"], books.row["tries"]) == ([0], 100 * MS, 1)


def test_a_try_that_waits_for_a_connection_makes_the_plan_not_late() -> None:
    with Books() as books:
        books.at(0).send(0)
        books.at(5).close(0, Failure.RESET)
        books.at(25).queue(0)
        books.at(60).send(0)
        books.at(70).close(0, Failure.NONE, 200)
        assert books.ledger.queued == 1 and books.ledger._taken_ns[0] == 0


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 120), st.integers(1, 300), st.sampled_from(list(Failure))), min_size=9),
    st.integers(2, 6),
)
def test_every_request_ends_once_within_its_time_out(ends: list[tuple[int, int, Failure]], most: int) -> None:
    with Books(retry=replace(RETRY, tries=most)) as books:
        now = sent = 0
        for wait, took, failure in ends:
            if books.ledger.ended(0):
                break
            now, sent = now + wait, sent + 1
            books.at(now).send(0)
            now += took
            books.at(now).close(0, failure, 200 if failure is Failure.NONE else 0)
        row = books.row
        assert row["tries"] == sent <= most and len(books.again) == sent - 1
        assert len(books.finished) == 1 and 0 < row["done_ns"] <= 1000 * MS
        assert (row["error"] == Failure.NONE) <= (ends[sent - 1][1] <= 100)


ORDER = BlockOrder(
    n=1,
    url="http://127.0.0.1:8000",
    start_ns=0,
    stages=(Stage(rate=100, length=1.0),),
    arrivals="poisson",
    seed=1,
    timeout_s=2.0,
    requests=(Request(name="home", get="/"),),
    samples=Path("1.npy"),
    retry=RETRY,
)


def test_only_the_fast_executor_tries_again() -> None:
    assert choose(ORDER) == ("fast", "")
    for other in ({"users": 3}, {"locustfile": Path("/a.py")}, {"url": "https://shop"}, {"executor": "flow"}):
        with pytest.raises(ValueError, match="by the fast executor alone"):
            choose(replace(ORDER, **other))  # type: ignore[arg-type]


def test_the_order_reaches_the_driver_and_its_workers_whole() -> None:
    orders = TypeAdapter(BlockOrder)
    assert orders.validate_json(orders.dump_json(ORDER)) == ORDER
