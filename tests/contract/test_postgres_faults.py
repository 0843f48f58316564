"""Every fault of Postgres on a real server: it bites, it heals, and nothing of it stays."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from typing import Any, get_args

import psycopg
import pytest
from arm_at_work import ask, sql
from pydantic import TypeAdapter, ValidationError

from lab.errors import EnvironmentFailed
from lab.faults import _postgres
from lab.faults._sessions import Sessions, app_user, name_of, until
from lab.faults.bloat import Bloat
from lab.faults.deadlock_pair import DeadlockPair
from lab.faults.drop_index import DropIndex
from lab.faults.hold_lock import HoldLock, Mode
from lab.faults.idle_in_transaction import IdleInTransaction
from lab.faults.invalidate_index import InvalidateIndex
from lab.faults.long_queries import LongQueries
from lab.faults.shrink_max_connections import ShrinkMaxConnections
from lab.faults.stale_statistics import StaleStatistics
from lab.faults.terminate_backends import TerminateBackends
from lab.model.stack import Fault, Running

INDEX = "orders_customer_id_created_at_idx"
EXAMPLES: dict[type[Any], Any] = {
    Bloat: Bloat(table="reviews", factor=1.5),
    DeadlockPair: DeadlockPair(table="products", ids=(3, 4)),
    DropIndex: DropIndex(index=INDEX),
    HoldLock: HoldLock(table="orders"),
    IdleInTransaction: IdleInTransaction(sessions=3, table="products"),
    InvalidateIndex: InvalidateIndex(index=INDEX),
    LongQueries: LongQueries(count=2),
    ShrinkMaxConnections: ShrinkMaxConnections(to=3),
    StaleStatistics: StaleStatistics(table="orders"),
    TerminateBackends: TerminateBackends(),
}
EACH = [*EXAMPLES.values(), HoldLock(table="orders", rows="id <= 20")]
STANDING = [fault for fault in EACH if fault.event is None]
# Sessions that say who they are (the lab's own short ones do not), without the app's.
OTHERS = "backend_type = 'client backend' AND application_name NOT IN ('shop', '')"


@pytest.fixture
def arm(each_arm: Running) -> Running:
    return each_arm


def named(fault: Any) -> str:
    return f"{type(fault).__name__}-{fault.target}".replace(" ", "_")


def state(arm: Running) -> list[Any]:
    """Everything of the server that a fault of this file could leave behind."""
    return [
        sql(arm, query)
        for query in (
            "SELECT pg_get_indexdef(indexrelid), indisvalid FROM pg_index WHERE indexrelid > 16384 ORDER BY 1",
            "SELECT relname, reloptions, reltuples FROM pg_class WHERE relkind = 'r' AND oid > 16384 ORDER BY 1",
            "SELECT tablename, attname, n_distinct, histogram_bounds::text, most_common_vals::text, correlation "
            "FROM pg_stats WHERE schemaname = 'public' ORDER BY 1, 2",
            "SELECT starelid, staattnum FROM pg_statistic WHERE starelid > 16384 ORDER BY 1, 2",
            "SELECT rolname, rolconnlimit FROM pg_roles ORDER BY 1",
            "SELECT * FROM pg_db_role_setting",
            "SELECT name, setting FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'",
            f"SELECT query FROM pg_stat_activity WHERE {OTHERS}",
            "SELECT relation::regclass::text, mode FROM pg_locks JOIN pg_stat_activity USING (pid) "
            f"WHERE relation > 16384 AND {OTHERS}",
            "SELECT sum(hashtext(reviews::text)) FROM reviews",
        )
    ]


def size(arm: Running) -> int:
    return int(sql(arm, "SELECT pg_relation_size('reviews')")[0][0])


@pytest.fixture(autouse=True)
def connected_app(arm: Running) -> None:
    """The app has a session, whatever became of its last one."""

    def answers() -> bool:
        try:
            return bool(ask(arm, "/customers/17/orders"))
        except OSError:
            return False

    assert until(answers, 15)


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("fault", EACH, ids=named)
def test_it_bites_and_heals_whatever_happens(
    fault: Fault, interruption: type[BaseException], arm: Running
) -> None:
    before, bytes_before = state(arm), size(arm)
    assert json.loads(json.dumps(dict(fault.undo(arm)))) == fault.undo(arm)
    with pytest.raises(interruption), fault.inject(arm) as delivered:
        assert json.loads(json.dumps(dict(delivered))) == delivered
        doses = fault.dose(arm)
        assert doses and all(dose.bit for dose in doses), doses
        raise interruption
    if fault.event is None:
        assert not any(dose.bit for dose in fault.dose(arm))
    assert state(arm) == before
    assert size(arm) <= bytes_before * 1.05


@pytest.mark.parametrize("fault", STANDING, ids=named)
def test_it_heals_after_a_restart_of_the_server_in_between(fault: Fault, arm: Running) -> None:
    before = state(arm)
    with fault.inject(arm):
        arm.restart("postgres")
    assert state(arm) == before
    assert not any(dose.bit for dose in fault.dose(arm))


@pytest.mark.parametrize("fault", STANDING, ids=named)
def test_what_it_wrote_down_before_heals_it_alone(fault: Fault, arm: Running) -> None:
    before = state(arm)
    undo = fault.undo(arm)["sql"]
    with fault.inject(arm):
        for statement in [undo] if isinstance(undo, str) else undo:
            sql(arm, statement)
        # A pair whose sessions were ended comes back at once, as an app does; all else is healed now.
        assert isinstance(fault, DeadlockPair) or not any(dose.bit for dose in fault.dose(arm))
    assert state(arm) == before


@pytest.mark.parametrize("fault", STANDING, ids=named)
def test_twice_at_once_is_refused(fault: Fault, arm: Running) -> None:
    before = state(arm)
    with fault.inject(arm):
        with pytest.raises(EnvironmentFailed), fault.inject(arm):
            pytest.fail("it was done twice")
        assert all(dose.bit for dose in fault.dose(arm)), "the second took the first away"
    assert state(arm) == before


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Bloat(table="nothing"), "there is no table nothing"),
        (Bloat(table="orders", factor=20), "orders is too large to be bloated 20 times"),
        (
            DeadlockPair(table="products", ids=(1, 999_999_999)),
            "there are no rows 1 and 999999999 of products",
        ),
        (DeadlockPair(table="order_items", ids=(1, 2)), "order_items has no primary key of one column"),
        (DropIndex(index="nothing_idx"), "there is no index nothing_idx"),
        (InvalidateIndex(index="orders"), "there is no index orders"),
        (HoldLock(table=INDEX), f"there is no table {INDEX}"),
        (HoldLock(table="orders", rows="id < 0"), "orders has no row where id < 0"),
        (HoldLock(table="orders", rows="nothing = 1"), "could not look up what to lock"),
        (IdleInTransaction(sessions=1, table="nothing"), "there is no table nothing"),
        (LongQueries(statement="SELECT * FROM nothing"), "could not plan the statement"),
        (ShrinkMaxConnections(to=500), "shop cannot be shrunk to 500 connections: it may have 97 now"),
        (StaleStatistics(table="nothing"), "there is no table nothing"),
        (TerminateBackends(of="nobody"), "there are no sessions of nobody"),
    ],
)
def test_a_target_that_is_not_there_is_an_error(fault: Fault, words: str, arm: Running) -> None:
    with pytest.raises(EnvironmentFailed, match=words) as caught:
        fault.undo(arm)
    assert caught.value.why and caught.value.do
    with pytest.raises(EnvironmentFailed, match=words), fault.inject(arm):
        pytest.fail("it was done")


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        (Bloat, {"table": "reviews", "factor": 1}, "greater than or equal to 1.2"),
        (Bloat, {"table": "reviews; DROP TABLE reviews"}, "is no name: write it as psql shows it"),
        (DeadlockPair, {"table": "products", "ids": [5, 5]}, "name two different ids"),
        (DropIndex, {"index": ""}, "'' is no name"),
        (HoldLock, {"table": "orders", "mode": "EVERYTHING"}, "'ACCESS EXCLUSIVE'"),
        (HoldLock, {"table": "orders", "mode": "SHARE", "rows": "id = 1"}, "name one of the two"),
        (IdleInTransaction, {"sessions": 0, "table": "orders"}, "greater than or equal to 1"),
        (InvalidateIndex, {}, "Field required"),
        (LongQueries, {"count": 1000}, "less than or equal to 90"),
        (ShrinkMaxConnections, {"to": 0}, "greater than or equal to 1"),
        (StaleStatistics, {"table": "Orders"}, "is no name"),
        (TerminateBackends, {"of": 5}, "valid string"),
    ],
)
def test_wrong_attributes_are_told(kind: type[Any], values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TypeAdapter(kind).validate_json(json.dumps(values), strict=True)


def test_a_table_that_cannot_be_rewritten_gets_its_settings_back(
    arm: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(arm)
    with ExitStack() as reading:
        with pytest.raises(EnvironmentFailed, match="could not rewrite"), EXAMPLES[Bloat].inject(arm):
            reader = reading.enter_context(psycopg.connect(arm.dsn))
            reader.execute("SELECT FROM reviews LIMIT 1")  # keeps it from being rewritten, not from being set
            monkeypatch.setattr(_postgres, "_HEALS_WAIT_S", 0.2)
        options = "SELECT relname, reloptions FROM pg_class WHERE relname = 'reviews'"
        assert sql(arm, options) == [("reviews", None)]
    sql(arm, "VACUUM (FULL) reviews")
    sql(arm, "VACUUM (FREEZE) reviews")
    assert state(arm) == before


def plan(arm: Running, query: str) -> str:
    return "\n".join(row[0] for row in sql(arm, f"EXPLAIN {query}"))


def test_an_invalid_index_is_in_no_plan_and_still_kept_up(arm: Running) -> None:
    query = "SELECT id FROM orders WHERE customer_id = 17 ORDER BY created_at DESC LIMIT 20"
    assert INDEX in plan(arm, query)
    with InvalidateIndex(index=INDEX).inject(arm):
        assert "Seq Scan on orders" in plan(arm, query)
        made = "INSERT INTO orders (customer_id, status, total_cents) VALUES (17, 'paid', 1) RETURNING id"
        (new,) = sql(arm, made)[0]
    assert INDEX in plan(arm, query)
    assert sql(arm, query)[0][0] == new
    sql(arm, f"DELETE FROM orders WHERE id = {new}")


def test_statistics_that_a_fix_has_drawn_anew_stay(arm: Running) -> None:
    drawn = "SELECT (pg_stat_get_last_analyze_time('orders'::regclass) > now() - interval '1 minute')"
    query = "SELECT * FROM orders WHERE customer_id = 17"
    with StaleStatistics(table="orders").inject(arm):
        assert "rows=1 " in plan(arm, query)
        sql(arm, "ANALYZE orders")
        shown = state(arm)[2]
    assert sql(arm, drawn) == [(True,)]
    assert state(arm)[2] == shown
    assert "rows=1 " not in plan(arm, query)


@pytest.mark.parametrize("again", [False, True])
def test_a_long_query_that_is_terminated_stays_dead_unless_it_comes_again(again: bool, arm: Running) -> None:
    fault = LongQueries(count=2, again=again)
    with fault.inject(arm):
        before = sessions_of(fault, arm)
        assert len(before) == 2
        sql(arm, fault.undo(arm)["sql"][0])
        assert until(lambda: not before & sessions_of(fault, arm), 10)
        assert until(lambda: len(sessions_of(fault, arm)) == 2, 10 if again else 0.5) is again


def sessions_of(fault: Fault, arm: Running) -> set[int]:
    query = f"SELECT pid FROM pg_stat_activity WHERE application_name = '{name_of(arm, fault)}'"
    return {row[0] for row in sql(arm, query)}


def test_terminating_the_app_leaves_everybody_else(arm: Running) -> None:
    idle = IdleInTransaction(sessions=2, table="products")
    with idle.inject(arm), psycopg.connect(arm.dsn) as of_a_person:
        with TerminateBackends().inject(arm) as done:
            assert done["terminated"] >= 1
        assert all(dose.bit for dose in idle.dose(arm))
        assert of_a_person.execute("SELECT 1").fetchone() == (1,)


def test_sessions_say_nothing_of_the_fault_and_are_of_the_app(arm: Running) -> None:
    with IdleInTransaction(sessions=1, table="products").inject(arm), HoldLock(table="reviews").inject(arm):
        seen = sql(arm, f"SELECT usename, application_name FROM pg_stat_activity WHERE {OTHERS}")
    assert {user for user, _ in seen} == {"shop"}
    assert all(len(name) == 12 and int(name, 16) for _, name in seen)


def test_a_session_ends_when_the_lab_is_killed_in_the_middle_of_its_query(arm: Running) -> None:
    fault = LongQueries(count=1)
    with psycopg.connect(arm.dsn) as database:
        sessions = Sessions(arm, app_user(database), name_of(arm, fault))

    def work(session: psycopg.Connection[Any]) -> None:
        session.execute(fault.statement.encode())

    sessions.repeat(work, again=False)
    sessions.started(lambda: fault.dose(arm)[0].bit, "start")
    sessions.close()  # what the kernel does to a killed process: its connections close, nobody says goodbye
    assert until(lambda: not sessions_of(fault, arm), 15)


@pytest.mark.parametrize("mode", get_args(Mode))
def test_each_mode_of_a_lock_keeps_out_what_the_manual_says(mode: Mode, arm: Running) -> None:
    fault = HoldLock(table="order_items", mode=mode)
    with fault.inject(arm):
        assert all(dose.bit for dose in fault.dose(arm))


def test_what_is_above_a_shrunk_limit_is_closed_the_youngest_first(arm: Running) -> None:
    url, more = arm.dsn.replace("postgres@", "shop@"), ShrinkMaxConnections(to=2)
    with ExitStack() as opened:
        mine = [opened.enter_context(closing(psycopg.connect(url, autocommit=True))) for _ in range(5)]
        with more.inject(arm) as done:
            assert done["closed"] >= 3
            with pytest.raises(psycopg.OperationalError):
                mine[-1].execute("SELECT 1")
            with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
                while True:
                    opened.enter_context(closing(psycopg.connect(url)))
        opened.enter_context(closing(psycopg.connect(url)))
