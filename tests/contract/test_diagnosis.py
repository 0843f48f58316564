"""The diagnosis probes on a live arm of each stack: they show what is there, and leave nothing behind."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from arm_at_work import ask, load, sql, until
from pydantic import TypeAdapter

from lab import catalog
from lab.cli.by_hand.own import Named, own
from lab.errors import EnvironmentFailed
from lab.faults.kill import Kill
from lab.model.stack import Evidence, Running

KINDS = catalog.kinds()


@pytest.fixture
def arm(each_arm: Running) -> Running:
    return each_arm


def seen(arm: Running, kind: str, **written: object) -> Evidence:
    probe: Any = TypeAdapter(KINDS.evidence[kind]).validate_python(written)
    told: Evidence = probe.capture(arm)
    return told


def text(arm: Running, kind: str, **written: object) -> str:
    return seen(arm, kind, **written).text


@contextmanager
def seen_from_here(arm: Running) -> Iterator[None]:
    """Where a stack hides its processes, the probe has to say so, in words."""
    try:
        yield
    except EnvironmentFailed as failed:
        assert not arm.pids("app") and "cannot be seen" in failed.what and "--pid" in failed.do


def test_a_query_log_shows_what_ran_and_leaves_the_setting_as_it_was(arm: Running) -> None:
    asked = "SELECT setting FROM pg_settings WHERE name = 'log_min_duration_statement'"
    sql(arm, "ALTER SYSTEM SET log_min_duration_statement = 7654")
    try:
        with load(arm, "/customers/7/orders"):
            shown = text(arm, "query-log", window="500ms")
        assert " ms SELECT /* customer_orders */" in shown and "ALTER SYSTEM" not in shown
        until(lambda: str(sql(arm, asked)), lambda told: "7654" in told)
    finally:
        sql(arm, "ALTER SYSTEM RESET log_min_duration_statement")
        sql(arm, "SELECT pg_reload_conf()")
    with load(arm, "/customers/7/orders"):
        assert text(arm, "query-log", window="200ms", above="20s") == "0 statements ended within 0.2 s"
    until(lambda: str(sql(arm, asked)), lambda told: "-1" in told)


def test_debug_logging_shows_statements_and_is_off_again(arm: Running) -> None:
    with load(arm, "/customers/7/orders"):
        shown = text(arm, "debug-logging", window="500ms")
        assert "/* customer_orders */" in shown and shown.startswith('{"was":"INFO"')
        mark = arm.logs("app", 1)
        for _ in range(20):
            ask(arm, "/customers/8/orders")
    assert "/* customer_orders */" not in arm.logs("app", 4000).rpartition(mark)[2]


def test_profiles_show_the_functions_and_lines_that_work(arm: Running) -> None:
    with load(arm, "/customers/7/orders"):
        assert "(list_orders)" in text(arm, "cpu-profile", window="500ms", top=200)
        assert "Ordered by: internal time" in text(arm, "cpu-profile", window="100ms", sort="tottime")
        held = text(arm, "tracemalloc", window="500ms")
        assert held.startswith("Current memory usage: ") and ".py:" in held
        with seen_from_here(arm):
            lines = text(arm, "line-profile", code="sample_app", window="1s")
            assert "routes/customers.py:" in lines and "samples of running code" in lines
        with seen_from_here(arm):
            drawn = seen(arm, "flame-graph", window="1s", top=200)
            assert "customers.py" in drawn.text and drawn.picture.rstrip().endswith("</svg>")


def test_one_looks_at_a_process_at_a_time(arm: Running) -> None:
    first = threading.Thread(target=lambda: ask(arm, "/debug/allocations?seconds=1"))
    first.start()
    try:
        until(
            lambda: ask(arm, "/debug/metrics").decode(),
            lambda told: json.loads(told)["requests"]["active"] > 1,
        )
        with pytest.raises(EnvironmentFailed) as caught:
            text(arm, "cpu-profile", window="1ms")
    finally:
        first.join()
    assert "409" in caught.value.why and "over" in caught.value.do


def test_redis_is_seen_at_work(arm: Running) -> None:
    ask(arm, "/products/top")
    with load(arm, "/products/top"):
        assert '"GET" "ranking"' in text(arm, "redis-monitor", window="500ms", lines=5)
        rows = text(arm, "redis-stat", window="1s").splitlines()
    assert len(rows) == 4 and int(rows[-1].split()[5].replace(",", "")) > 0
    assert text(arm, "redis-ping").startswith("PONG")


def test_the_services_processes_and_sockets_are_listed(arm: Running) -> None:
    ask(arm, "/customers/7/orders")
    status = text(arm, "service-status")
    for service in arm.services:
        assert f"\n{service} " in status and f":{arm.address(service)[1]} " in status
    with seen_from_here(arm):
        assert "sample_app" in text(arm, "process")
        assert "ESTABLISHED  postgres " in text(arm, "tcp-connections")
    listening = text(arm, "listening")
    assert all(f"\n{service} " in listening for service in arm.services)


def test_times_of_requests_and_pools_are_those_of_the_app(arm: Running) -> None:
    rows = text(arm, "request-timing", path="/customers/7/orders", times=3).splitlines()
    assert [row.split()[:2] for row in rows[2:5]] == [["1", "200"], ["2", "200"], ["3", "200"]]
    assert all(0 < float(row.split()[2]) <= float(row.split()[3]) for row in rows[2:5])
    missing = text(arm, "request-timing", path="/nowhere", times=1)
    assert " 404 " in missing
    moments = [float(line.split()[1][:-1]) for line in text(arm, "timing-breakdown").splitlines()[:7]]
    assert moments[0] <= moments[1] <= moments[3] < moments[5] <= moments[6] and moments[2] == moments[4] == 0
    size = json.loads(ask(arm, "/debug/pools"))[0]["size"]
    assert text(arm, "pool").splitlines()[2].split()[:2] == ["1", str(size)]


def test_what_is_down_is_told_as_such(arm: Running) -> None:
    with Kill(service="postgres").inject(arm), Kill(service="redis").inject(arm):
        assert text(arm, "select-1").startswith("psql: error: ")
        assert text(arm, "redis-ping").startswith("Could not connect to Redis: ")
        status = text(arm, "service-status").splitlines()
        assert sum(" down " in line for line in status) == 2
        assert "postgres is down" in text(arm, "listening")
        assert "no SLOWLOG" in text(arm, "redis-log")
        with pytest.raises(EnvironmentFailed, match="postgres is down"):
            text(arm, "process", of="postgres")
    with Kill(service="app").inject(arm):
        assert "no answer" in text(arm, "request-timing", times=1)
        for kind in ("cpu-profile", "pool", "line-profile"):
            with pytest.raises(EnvironmentFailed):
                text(arm, kind)
    assert text(arm, "select-1").startswith("1\nconnected in ")


def test_servers_of_ones_own_are_looked_at_by_their_addresses(embedded_arm: Running) -> None:
    named = Named(url=embedded_arm.url, dsn=embedded_arm.dsn, redis_url=embedded_arm.redis_url)
    mine = own(named)
    assert {name: mine.pids(name)[0] for name in mine.services} == {
        name: embedded_arm.pids(name)[0] for name in embedded_arm.services
    }
    assert mine.memory_mb("app") > 10 and mine.cpu_seconds("app") > 0
    for kind in (
        "activity",
        "pool",
        "process",
        "tcp-connections",
        "redis-stat",
        "cpu-profile",
        "service-status",
    ):
        assert len(text(mine, kind)) > 20
    with pytest.raises(EnvironmentFailed) as caught:
        text(mine, "query-log", window="1ms")
    assert "--log postgres=FILE" in caught.value.do
    by_pid = own(Named(pid=os.getpid()))
    assert str(os.getpid()) in text(by_pid, "process", window="10ms")
