"""Every fault, fix and probe against real servers: what it does, and that nothing of it stays."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from urllib.request import ProxyHandler, build_opener

import psycopg
import pytest
import redis as redis_client

from lab import catalog
from lab.errors import EnvironmentFailed
from lab.faults.drop_index import DropIndex
from lab.faults.expire_key import ExpireKey
from lab.faults.kill import Kill
from lab.fixes.sql import Sql
from lab.model.stack import ArmSpec, RunContext, Running
from lab.probes.debug_metrics import DebugMetrics
from lab.probes.explain import Explain, plans_in
from lab.probes.health import Health
from lab.probes.locks import Locks
from lab.probes.postgres import Postgres
from lab.probes.redis import Redis
from lab.probes.redis_info import RedisInfo
from lab.probes.service_log import ServiceLog
from lab.probes.statements import Statements
from lab.reaper import Reaper
from lab.stacks.embedded import Embedded

KINDS = catalog.kinds()
INDEX = "orders_customer_id_created_at_idx"
PLACEBOS = {
    fix.params
    for name in catalog.scenario_names()
    for fix in catalog.load_scenario(name).fixes.values()
    if fix.kind == "sql"
}


@pytest.fixture(scope="module")
def arm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("run")
    for part in (folder, *folder.parents):  # Postgres may run as another user than the tests
        if part.is_relative_to(Path(tmp_path_factory.getbasetemp()).parent):
            part.chmod(0o755)
    reaper = Reaper.start(folder)
    (folder / "scratch").mkdir(mode=0o755)
    run = RunContext(
        id="plugins",
        folder=folder,
        scratch=folder / "scratch",
        seed=1,
        report=lambda _line: None,
        own=reaper.own,
    )
    try:
        stack = Embedded()
        stack.prepare(run)
        running = stack.start(ArmSpec(name="one"), run)
        try:
            yield running
        finally:
            running.stop()
    finally:
        reaper.close()


def ask(arm: Running, path: str) -> bytes:
    with build_opener(ProxyHandler({})).open(arm.url + path, timeout=10) as answer:
        body: bytes = answer.read()
        return body


def sql(arm: Running, statement: str) -> list[Any]:
    with psycopg.connect(arm.dsn, autocommit=True) as database:
        done = database.execute(statement.encode())
        return done.fetchall() if done.description else []


@contextmanager
def load(arm: Running, *paths: str) -> Iterator[None]:
    """Requests one after another, all the while; ends with the first that fails."""
    over, failed = threading.Event(), []

    def send() -> None:
        try:
            while not over.is_set():
                for path in paths:
                    ask(arm, path)
        except OSError as error:
            failed.append(error)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        over.set()
        sender.join()
    assert not failed


def state(arm: Running) -> tuple[object, ...]:
    """What a fault may not change for longer than it lasts."""
    indexes = sql(
        arm,
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid FROM pg_index "
        "WHERE indrelid::regclass::text IN ('orders', 'order_items', 'products') ORDER BY 1",
    )
    return (indexes, sql(arm, "SELECT count(*) FROM orders"), *(arm.alive(s) for s in ("app", "postgres", "redis")))


FAULTS = {
    type(use.params): use.params
    for name in catalog.scenario_names()
    for use in catalog.load_scenario(name).faults
}


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("kind", KINDS.faults)
def test_a_fault_heals_whatever_happens(kind: str, interruption: type[BaseException], arm: Running) -> None:
    fault = FAULTS[KINDS.faults[kind]]
    before = state(arm)
    undo = json.loads(json.dumps(dict(fault.undo(arm))))
    with pytest.raises(interruption), fault.inject(arm) as delivered:
        assert json.loads(json.dumps(dict(delivered))) == delivered
        if undo:
            assert state(arm) != before, "the fault did nothing"
        raise interruption
    assert state(arm) == before
    assert json.loads(ask(arm, "/health"))["status"]


def test_an_expired_key_is_gone_within_a_millisecond(arm: Running) -> None:
    fault, client = ExpireKey(key="ranking"), redis_client.Redis.from_url(arm.redis_url)
    seconds = []
    for _ in range(20):
        ask(arm, "/products/top")
        assert client.exists("ranking")
        began = perf_counter()
        with fault.inject(arm) as delivered:
            seconds.append(perf_counter() - began)
        assert delivered == {"deleted": 1}
        assert not client.exists("ranking")
    client.close()
    assert median(seconds) < 0.005
    with fault.inject(arm) as delivered:
        assert delivered == {"deleted": 0}


def test_an_index_that_is_not_there_cannot_be_dropped(arm: Running) -> None:
    with pytest.raises(EnvironmentFailed, match="there is no index nothing_idx"):
        DropIndex(index="nothing_idx").undo(arm)


def test_a_dropped_index_that_a_fix_has_created_stays_as_the_fix_made_it(arm: Running) -> None:
    fault = DropIndex(index=INDEX)
    (statement,) = fault.undo(arm).values()
    with fault.inject(arm):
        Sql(run=statement.replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY"), placebo="SELECT 1").apply(arm)
        made = sql(arm, f"SELECT '{INDEX}'::regclass::oid")
    assert sql(arm, f"SELECT '{INDEX}'::regclass::oid") == made


def test_the_statements_of_the_scenarios_run_and_their_placebos_do_not_help(arm: Running) -> None:
    before = state(arm)
    with DropIndex(index=INDEX).inject(arm):
        for fix in PLACEBOS:
            fix.placebo(arm)
        with load(arm, "/customers/17/orders"):
            assert "Seq Scan on orders" in Explain(of="customer_orders").capture(arm).text
        for fix in PLACEBOS:
            fix.apply(arm)
        with load(arm, "/customers/17/orders"):
            assert "Seq Scan" not in Explain(of="customer_orders").capture(arm).text
    for name, *_ in set(state(arm)[0]) - set(before[0]):  # type: ignore[call-overload]
        sql(arm, f"DROP INDEX {name}")
    assert state(arm) == before


def test_a_statement_that_postgres_refuses_is_told(arm: Running) -> None:
    with pytest.raises(EnvironmentFailed, match="refused the statement: SELEC 1") as caught:
        Sql(run="SELEC 1", placebo="SELECT 1").apply(arm)
    assert "syntax error" in caught.value.why


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


def test_a_label_that_nothing_carries_counts_zero(arm: Running) -> None:
    assert set(Postgres(of="nothing_at_all").read(arm).values()) == {0.0}


def test_redis_counts_each_command_once(arm: Running) -> None:
    ask(arm, "/products/top")
    before = Redis().read(arm)
    for _ in range(30):
        ask(arm, "/products/top")
    after = Redis().read(arm)
    assert {name: after[name] - before[name] for name in after} == {"commands": 30, "hits": 30, "misses": 0}
    assert set(after) == set(Redis.quantities)


@pytest.mark.parametrize("kind", KINDS.counters)
def test_a_counter_is_exact(kind: str, arm: Running) -> None:
    probe = KINDS.counters[kind]
    assert (probe(of="ranking") if kind == "postgres" else probe()).preflight(arm) == ""


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
        with pytest.raises(EnvironmentFailed, match="could not expire 'ranking'"), ExpireKey(key="ranking").inject(arm):
            pass
    with ExpireKey(key="ranking").inject(arm) as delivered:  # the kept connection finds its way back
        assert delivered == {"deleted": 0}


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


def until(read: Callable[[], str], good: Callable[[str], bool]) -> str:
    deadline = perf_counter() + 10
    while perf_counter() < deadline:
        if good(text := read()):
            return text
    raise AssertionError(f"not within 10 s: {read()}")
