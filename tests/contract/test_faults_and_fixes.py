"""Every fault and fix against real servers: what it does, and that nothing of it stays."""

from __future__ import annotations

import json
from statistics import median
from time import perf_counter
from typing import Any

import pytest
import redis as redis_client
from arm_at_work import ask, load, sql, state, until

from lab import catalog
from lab.errors import EnvironmentFailed
from lab.faults.drop_index import DropIndex
from lab.faults.expire_key import ExpireKey
from lab.fixes.restart import Restart
from lab.fixes.sql import Sql
from lab.model.stack import Running
from lab.probes.explain import Explain
from lab.probes.health import Health

KINDS = catalog.kinds()
INDEX = "orders_customer_id_created_at_idx"
PLACEBOS = {fix.params for fix in catalog.load_scenario("missing-index").fixes.values()}
SHOWN_BY_STATE = ("missing-index", "redis-down", "stampede")  # the others' faults have files of their own
FAULTS = {
    type(use.params): use.params for name in SHOWN_BY_STATE for use in catalog.load_scenario(name).faults
}


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=lambda fault: type(fault).__name__)
def test_a_fault_of_a_scenario_heals_whatever_happens(
    fault: Any, interruption: type[BaseException], arm: Running
) -> None:
    before = state(arm)
    undo = json.loads(json.dumps(dict(fault.undo(arm))))
    with pytest.raises(interruption), fault.inject(arm) as delivered:
        assert json.loads(json.dumps(dict(delivered))) == delivered
        if undo:
            assert state(arm) != before, "the fault did nothing"
        raise interruption
    assert state(arm) == before
    # The app's pooled connections died with a server: its first answer after that may still be an error.
    until(lambda: Health().capture(arm).text, lambda text: text.startswith("HTTP 200"))


def test_an_expired_key_is_gone_within_a_millisecond(arm: Running) -> None:
    fault, client = ExpireKey(key="ranking"), redis_client.Redis.from_url(arm.redis_url)
    seconds = []
    for _ in range(8):
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


def test_the_indexes_of_the_scenario_help_and_their_placebos_do_not(arm: Running) -> None:
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


def test_a_restart_as_a_fix_brings_a_new_process_and_its_placebo_none(arm: Running) -> None:
    fix, before = Restart(service="app"), arm.life("app")
    fix.placebo(arm)
    assert arm.life("app") == before
    fix.apply(arm)
    assert arm.life("app") not in ("", before)
    assert Health().capture(arm).text.startswith("HTTP 200")
