"""The log of Postgres grows by what is written, and by nothing that is only read."""

from __future__ import annotations

from arm_at_work import ask, sql

from lab.model.stack import Running
from lab.probes.wal import Wal

ROWS, BYTES = 200, 500


def written(arm: Running, before: float) -> float:
    return Wal().read(arm)["bytes"] - before


def test_rows_that_are_written_are_in_the_log_and_reads_are_not(arm: Running) -> None:
    sql(arm, "CREATE TABLE wal_check (filling text)")
    before = Wal().read(arm)["bytes"]
    for customer in range(1, 41):
        ask(arm, f"/customers/{customer}/orders")
    read = written(arm, before)
    before = Wal().read(arm)["bytes"]
    sql(arm, f"INSERT INTO wal_check SELECT repeat('x', {BYTES}) FROM generate_series(1, {ROWS})")
    grown = written(arm, before)
    sql(arm, "DROP TABLE wal_check")
    assert ROWS * BYTES < grown < 3 * ROWS * BYTES
    assert read < grown / 10  # a snapshot for standbys now and then, whatever is asked
