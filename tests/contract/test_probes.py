"""Every probe against real servers: counters are exact, and evidence shows what is there."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import numpy as np
import psycopg
import pytest
from arm_at_work import ask, load, sql, until

from lab import catalog
from lab.errors import EnvironmentFailed
from lab.faults.expire_key import ExpireKey
from lab.faults.kill import Kill
from lab.faults.pause import Pause
from lab.model.load import SAMPLE, BlockLoad
from lab.model.scenario import Measure
from lab.model.stack import Running
from lab.probes.connections import Connections
from lab.probes.cpu import Cpu
from lab.probes.debug_metrics import DebugMetrics
from lab.probes.explain import Explain, plans_in
from lab.probes.health import Health
from lab.probes.locks import Locks
from lab.probes.memory import Memory
from lab.probes.postgres import Postgres
from lab.probes.redis import Redis
from lab.probes.redis_info import RedisInfo
from lab.probes.service_log import ServiceLog
from lab.probes.statements import Statements
from lab.runner.clock import MonotonicClock
from lab.runner.sampling import gauges_of

KINDS = catalog.kinds()


def alone(probes: Mapping[str, type[Any]]) -> list[str]:
    """Those that need no balancer, which an arm with one instance has not."""
    return [kind for kind, probe in probes.items() if "balancer" not in probe.needs]


def test_the_plan_is_that_of_the_app_with_its_own_parameters(arm: Running) -> None:
    with load(arm, "/customers/17/orders"):
        seen = Explain(of="customer_orders").capture(arm)
    assert seen.command.startswith("EXPLAIN (ANALYZE, BUFFERS) SELECT /* customer_orders */ orders.id")
    assert seen.text.startswith("duration: ")
    assert "Index Scan" in seen.text and "Buffers: shared" in seen.text and "actual time=" in seen.text
    assert "17" in seen.text
    shown = "SELECT setting FROM pg_settings WHERE name = 'auto_explain.log_min_duration'"
    assert sql(arm, shown) == [("-1",)]


def test_plans_in_a_log_end_where_another_line_begins() -> None:
    log = (
        "x LOG:  duration: 1.0 ms  plan:\n\tQuery Text: SELECT /* a */ 1\n\tResult  (cost=0)\n"
        "x LOG:  duration: 2.0 ms  statement: SELECT 2\n"
        "x LOG:  duration: 3.0 ms  plan:\n\tQuery Text: SELECT /* b */ 1\n\t  ->  half"
    )
    assert plans_in(log) == ["duration: 1.0 ms  plan:\nQuery Text: SELECT /* a */ 1\nResult  (cost=0)"]
    assert len(plans_in(log + " written\nx LOG:  end\n")) == 2


def test_postgres_counts_each_statement_once(arm: Running) -> None:
    counter = Postgres(of="customer_orders")
    ask(arm, "/customers/1/orders")
    before = counter.read(arm)
    for customer in range(1, 41):
        ask(arm, f"/customers/{customer}/orders")
    difference = {name: value - before[name] for name, value in counter.read(arm).items()}
    assert difference["calls"] == 40
    assert difference["rows"] == 40 * 20
    assert 40 * 3 <= difference["blocks"] <= 40 * 60
    assert 0 < difference["time_ms"] < 4000
    assert set(difference) == set(Postgres.quantities)


def test_without_a_label_all_statements_of_the_app_count_and_none_of_the_lab(arm: Running) -> None:
    ask(arm, "/customers/1/orders")
    before = Postgres().read(arm)
    for customer in range(1, 21):
        ask(arm, f"/customers/{customer}/orders")
        ask(arm, f"/customers/{customer}")
        sql(arm, "SELECT count(*) FROM customers")
    after = Postgres().read(arm)
    assert after["calls"] - before["calls"] == 40
    assert after["rows"] - before["rows"] == 20 * 20 + 20


def test_cpu_time_is_that_of_the_service_that_works(arm: Running) -> None:
    before = Cpu().read(arm)
    for _ in range(5):
        sql(arm, "SELECT count(*) FROM generate_series(1, 400000)")
    used = {name: value - before[name] for name, value in Cpu().read(arm).items()}
    assert used["postgres"] > 10 * max(used["app"], used["redis"], 1)
    assert set(used) == set(Cpu.quantities)


def test_a_label_that_nothing_carries_counts_zero(arm: Running) -> None:
    assert set(Postgres(of="nothing_at_all").read(arm).values()) == {0.0}


def test_redis_counts_each_command_once(arm: Running) -> None:
    ask(arm, "/products/top")
    before = Redis().read(arm)
    for _ in range(30):
        ask(arm, "/products/top")
    after = Redis().read(arm)
    grown = {name: after[name] - before[name] for name in after}
    sent = grown.pop("sent") - 30 * len(ask(arm, "/products/top"))
    assert grown == {"commands": 30, "hits": 30, "misses": 0}
    assert 0 < sent < 20_000  # what Redis says of itself when it is read
    assert set(after) == set(Redis.quantities)


@pytest.mark.parametrize("kind", alone(KINDS.counters))
def test_a_counter_is_exact(kind: str, arm: Running) -> None:
    probe = KINDS.counters[kind]
    assert probe().preflight(arm) == ""


def test_the_count_of_a_label_is_exact(arm: Running) -> None:
    assert Postgres(of="ranking").preflight(arm) == ""


@pytest.mark.parametrize("kind", alone(KINDS.gauges))
def test_a_gauge_can_be_trusted_and_gives_what_its_statistics_are_of(kind: str, arm: Running) -> None:
    probe = KINDS.gauges[kind]()
    ask(arm, "/products/top")
    assert probe.preflight(arm) == ""
    assert {gauge.reading for gauge in probe.gauges.values()} <= set(probe.sample(arm))


@pytest.mark.parametrize("kind", alone(KINDS.gauges))
def test_a_sample_costs_little_while_the_load_is_on(kind: str, arm: Running) -> None:
    probe, seconds = KINDS.gauges[kind](), []
    with load(arm, "/products/top"):
        for _ in range(30):
            begun = perf_counter()
            probe.sample(arm)
            seconds.append(perf_counter() - begun)
    print(f"\n{kind}: {sorted(seconds)[15] * 1e3:.2f} ms a sample")
    assert min(seconds) < 0.01


def test_memory_is_that_of_one_service(arm: Running) -> None:
    held = {service: Memory(of=service).sample(arm)["anonymous"] for service in ("app", "postgres", "redis")}  # type: ignore[arg-type]
    assert len(set(held.values())) == 3 and held["app"] > 10
    with Kill(service="app").inject(arm):
        assert Memory().sample(arm) == {}
        assert "0 MB" in Memory().preflight(arm)


def test_connections_are_those_of_the_app_and_what_they_do(arm: Running) -> None:
    ask(arm, "/customers/1/orders")
    before = Connections().sample(arm)
    with psycopg.connect(arm.dsn) as own, psycopg.connect(arm.dsn, user="shop") as other:
        busy = threading.Thread(target=lambda: other.execute("SELECT pg_sleep(1)"))
        busy.start()
        try:
            until(lambda: str(Connections().sample(arm)["active"]), lambda told: told == "1.0")
            during = Connections().sample(arm)
        finally:
            busy.join()
        assert own.execute("SELECT 1").fetchone() == (1,)
    assert during["open"] == before["open"] + 1


def test_connections_of_a_server_that_stands_still_are_no_sample(arm: Running) -> None:
    Connections().sample(arm)
    with (
        Pause(service="postgres").inject(arm),
        pytest.raises(EnvironmentFailed, match="how many connections") as caught,
    ):
        Connections().sample(arm)
    assert "no answer within 2 s" in caught.value.why
    assert Connections().sample(arm)["open"] >= 0


def test_a_block_of_gauges_under_load(arm: Running) -> None:
    clock, measures = (
        MonotonicClock(),
        [
            Measure(name="most", measure="connections.peak", limit=10),
            Measure(name="held", measure="memory.peak"),
        ],
    )
    gauges = gauges_of(measures, KINDS)
    with load(arm, "/customers/1/orders"), gauges.sampled(arm, clock.now_ns(), 0.6, clock) as taken:
        pass
    assert len(taken) == 2 and all(len(series) >= 8 for series in taken.values())
    nothing = BlockLoad(n=1, samples=np.zeros(0, SAMPLE), names=(), checks=None, schedule_sha256="")  # type: ignore[arg-type]
    values = gauges.values(taken, nothing)
    assert (values["most"] or 0) >= 1 and (values["held"] or 0) > 10


PLAIN: dict[str, Callable[[], Any]] = {
    kind: probe for kind, probe in KINDS.evidence.items() if kind not in ("explain", "service-log")
}


@pytest.mark.parametrize("kind", PLAIN)
def test_evidence_shows_a_command_and_what_it_said(kind: str, arm: Running) -> None:
    ask(arm, "/products/top")
    seen = PLAIN[kind]().capture(arm)
    assert seen.title and seen.command and seen.kind == kind
    assert len(seen.text) > 20


def test_what_evidence_says_of_a_well_stack(arm: Running) -> None:
    ask(arm, "/products/top")
    assert "/* ranking */" in Statements().capture(arm).text
    assert RedisInfo().capture(arm).text.startswith("PONG\n")
    assert "hit rate: " in RedisInfo().capture(arm).text
    assert json.loads(DebugMetrics().capture(arm).text)["memory"]
    health = Health().capture(arm).text
    assert health.startswith("HTTP 200")
    assert "time_starttransfer: 0." in health
    assert Locks().capture(arm).text == "no session waits for a lock"
    assert ServiceLog(service="postgres", lines=3).capture(arm).text.count("\n") <= 3


def test_what_evidence_says_of_a_dead_redis(arm: Running) -> None:
    with Kill(service="redis").inject(arm):
        assert "refused" in RedisInfo().capture(arm).text.lower()
        assert Health().capture(arm).text.startswith("HTTP 503")
        with pytest.raises(EnvironmentFailed, match="Redis did not answer a probe"):
            Redis().read(arm)
        with (
            pytest.raises(EnvironmentFailed, match="could not expire 'ranking'"),
            ExpireKey(key="ranking").inject(arm),
        ):
            pass
    with ExpireKey(key="ranking").inject(arm) as delivered:  # the kept connection finds its way back
        assert delivered == {"deleted": 0}
    until(lambda: Health().capture(arm).text, lambda text: text.startswith("HTTP 200"))


def test_what_evidence_says_of_a_dead_app(arm: Running) -> None:
    with Kill(service="app").inject(arm):
        assert "no answer" in Health().capture(arm).text
        assert "no answer" in DebugMetrics().capture(arm).text
    assert Health().capture(arm).text.startswith("HTTP 200")


def test_a_lock_names_who_waits_and_who_blocks(arm: Running) -> None:
    with psycopg.connect(arm.dsn) as holder, psycopg.connect(arm.dsn) as waiter:
        holder.execute("LOCK TABLE reviews IN ACCESS EXCLUSIVE MODE")
        waiting = threading.Thread(target=lambda: waiter.execute("SELECT count(*) FROM reviews"))
        waiting.start()
        try:
            text = until(lambda: Locks().capture(arm).text, lambda text: "LOCK TABLE reviews" in text)
        finally:
            holder.rollback()
            waiting.join()
        assert str(holder.info.backend_pid) in text and str(waiter.info.backend_pid) in text


def test_connections_of_a_server_that_is_away_are_no_sample_and_come_back(arm: Running) -> None:
    Connections().sample(arm)
    with (
        Kill(service="postgres").inject(arm),
        pytest.raises(EnvironmentFailed, match="how many connections"),
    ):
        Connections().sample(arm)
    assert Connections().sample(arm)["open"] >= 0
    until(lambda: Health().capture(arm).text, lambda text: text.startswith("HTTP 200"))


def test_transactions_that_are_left_open_are_told_from_those_at_work(arm: Running) -> None:
    with psycopg.connect(arm.dsn, user="shop") as left:
        left.execute("SELECT 1")
        assert Connections().sample(arm)["idle in transaction"] == 0  # not yet for half a second
        until(lambda: str(Connections().sample(arm)["idle in transaction"]), lambda told: told == "1.0")
    assert Connections().sample(arm)["idle in transaction"] == 0
