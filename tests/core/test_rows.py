"""Samples whose number nobody knows beforehand."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lab.driver.flow.rows import MOST_NAMES, OTHERS, Rows
from lab.model.load import Failure

TIMEOUT_NS = 1_000
Asked = tuple[str, int, int, int]  # name, due, sent after, done after


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"), st.integers(1, 10**15), st.integers(0, 500), st.integers(0, TIMEOUT_NS)
        ),
        max_size=50,
    )
)
def test_rows_come_out_in_order_of_their_due_moments(asked: list[Asked]) -> None:
    rows = Rows(TIMEOUT_NS)
    for name, due, sent, done in asked:
        rows.add(name, Failure.NONE, due_ns=due, sent_ns=due + sent, done_ns=due + done, status=200, size=7)
    found = rows.samples()
    by_due = sorted(asked, key=lambda one: one[1])
    assert [(rows.names()[row["name"]], row["due_ns"], row["sent_ns"] - row["due_ns"]) for row in found] == [
        (name, due, sent) for name, due, sent, _ in by_due
    ]
    assert (found["done_ns"] - found["due_ns"]).tolist() == [done for *_, done in by_due]
    assert rows.answered() == len(rows) == len(asked)
    assert set(found["status"]) <= {200} and set(found["bytes"]) <= {7}


def test_an_answer_after_the_time_out_is_none() -> None:
    rows = Rows(TIMEOUT_NS)
    rows.add("late", Failure.NONE, due_ns=100, sent_ns=100, done_ns=100 + TIMEOUT_NS + 1, status=200, size=9)
    rows.add("hung", Failure.TIMEOUT, due_ns=100, sent_ns=0, done_ns=101)
    rows.add("raised", Failure.JOURNEY, due_ns=100, sent_ns=100, done_ns=100 + 5 * TIMEOUT_NS)
    found = rows.samples()
    assert found["error"].tolist() == [Failure.TIMEOUT, Failure.TIMEOUT, Failure.JOURNEY]
    assert found["done_ns"].tolist() == [100 + TIMEOUT_NS] * 2 + [100 + 5 * TIMEOUT_NS]
    assert found["status"].tolist() == found["bytes"].tolist() == [0, 0, 0]
    assert rows.answered() == 0


def test_rows_grow_after_they_were_looked_at() -> None:
    rows = Rows(TIMEOUT_NS)
    for n in range(3):
        rows.add("a", Failure.NONE, due_ns=n + 1, sent_ns=n + 1, done_ns=n + 1)
        assert rows.samples()["due_ns"].tolist() == list(range(1, n + 2))


def test_names_without_end_share_one() -> None:
    rows = Rows(TIMEOUT_NS)
    for n in range(MOST_NAMES + 100):
        rows.add(f"/product/{n}", Failure.NONE, due_ns=n + 1, sent_ns=n + 1, done_ns=n + 1)
    assert len(rows.names()) == MOST_NAMES + 1 and rows.names()[-1] == OTHERS
    assert np.count_nonzero(rows.samples()["name"] == MOST_NAMES) == 100
