"""Fixes that act on a running arm: what they do, what their placebos leave undone, what they refuse."""

from __future__ import annotations

import time
from contextlib import closing

import psycopg
import pytest
from arm_at_work import ask, sql, until
from redis import Redis

from lab import catalog
from lab.errors import EnvironmentFailed
from lab.faults.flush import Flush
from lab.faults.hold_lock import HoldLock
from lab.faults.kill import Kill
from lab.fixes.http import Http
from lab.fixes.sql import Sql
from lab.fixes.supervise import Supervise
from lab.model.stack import Running
from lab.probes.health import Health
from lab.probes.sessions import Sessions
from lab.probes.terminated import Terminated


def fix(scenario: str, name: str) -> Sql:
    return catalog.load_scenario(scenario).fixes[name].params  # type: ignore[no-any-return]


def test_a_supervisor_starts_what_has_ended(arm: Running) -> None:
    supervisor = Supervise(service="app")
    with Kill(service="app").inject(arm):
        life = arm.life("app")
        supervisor.placebo(arm)
        assert not arm.alive("app")
        supervisor.apply(arm)
        assert arm.life("app") != life == ""
        ask(arm, "/products/7")


def test_a_supervisor_leaves_alone_what_runs(arm: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.fixes.supervise.NOTICED_S", 0.1)
    with pytest.raises(EnvironmentFailed, match="app is not down"):
        Supervise(service="app").apply(arm)


def test_a_supervisor_asks_the_dependencies_first(arm: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.fixes.supervise.READY_S", 0.1)
    with Kill(service="app").inject(arm), Kill(service="redis").inject(arm):
        with pytest.raises(EnvironmentFailed, match="redis does not answer, so app was not started"):
            Supervise(service="app").apply(arm)
        assert not arm.alive("app")


def test_a_cache_is_warm_after_the_request_and_cold_after_its_placebo(arm: Running) -> None:
    warm = catalog.load_scenario("cold-cache").fixes["warm-cache"].params
    asked_for = [f"product:{product}:sales" for product in range(1401, 1451)]
    with Redis.from_url(arm.redis_url) as client, Flush().inject(arm):
        warm.placebo(arm)
        assert client.dbsize() == len(asked_for)
        assert not client.exists(*asked_for)
        warm.apply(arm)
        assert client.exists(*asked_for) == len(asked_for)
        kept = ask(arm, "/products/1401/sales")
        client.delete("product:1401:sales")
        assert ask(arm, "/products/1401/sales") == kept


def test_a_request_that_fails_is_told(arm: Running) -> None:
    with pytest.raises(EnvironmentFailed, match="POST /nowhere"):
        Http(post="/nowhere", placebo="/").apply(arm)


def waiter(arm: Running) -> psycopg.Connection:
    """A session of the shop that waits for a row which another has locked."""
    session = psycopg.connect(arm.dsn, user="shop", autocommit=True)
    session.execute("BEGIN")
    session.execute("UPDATE customers SET city = city WHERE id = 1")  # it has something to lose
    session.pgconn.send_query(b"UPDATE products SET stock = stock WHERE id = 1")
    deadline = time.monotonic() + 5
    while Sessions().sample(arm)["waiting"] < 1:
        assert time.monotonic() < deadline
    return session


@pytest.mark.parametrize(
    ("name", "ended"), [("terminate-blockers", 2), ("terminate-pg-blocking-pids", 1)]
)  # the culprit and its victim, or the culprit alone
def test_who_is_ended_with_the_culprit(name: str, ended: int, arm: Running) -> None:
    chosen = fix("lock-contention", name)
    with HoldLock(table="products", rows="id = 1").inject(arm), closing(waiter(arm)):
        before = Terminated().read(arm)["sessions"]
        chosen.placebo(arm)
        assert Terminated().read(arm)["sessions"] == before
        chosen.apply(arm)
        deadline = time.monotonic() + 5
        while Terminated().read(arm)["sessions"] - before < ended:
            assert time.monotonic() < deadline
        assert Sessions().sample(arm)["waiting"] == 0
    assert Terminated().read(arm)["sessions"] - before == ended


@pytest.mark.parametrize(
    ("scenario", "name", "setting"),
    [
        ("lock-contention", "lock-timeout", "idle_in_transaction_session_timeout"),
        ("runaway-queries", "statement-timeout", "statement_timeout"),
    ],
)
def test_a_setting_of_the_role_holds_for_new_sessions(
    scenario: str, name: str, setting: str, arm: Running
) -> None:
    chosen = fix(scenario, name)
    try:
        chosen.placebo(arm)
        assert told(arm, setting) == "0"
        chosen.apply(arm)
        assert told(arm, setting) != "0"
    finally:
        sql(arm, "ALTER ROLE shop RESET ALL")
        # The app's pooled connections were ended with the rest: its first answer may still be an error.
        until(lambda: Health().capture(arm).text, lambda text: text.startswith("HTTP 200"))


def told(arm: Running, setting: str) -> str:
    with psycopg.connect(arm.dsn, user="shop", autocommit=True) as session:
        row = session.execute(f"SHOW {setting}".encode()).fetchone()
    assert row is not None
    return str(row[0])
