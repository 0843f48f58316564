"""The variants of the ratings when Postgres closes the app's connections: in the pool, and under a query."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg
import pytest

from lab.model.stack import Running
from sample_app.problems import stale_connections
from sample_app.shop import Shop

AT_ONCE = 5
CLOSE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop'"
CLOSE_BUSY = f"{CLOSE} AND state = 'active' AND query LIKE '%ratings%'"


async def lost(variant: Callable, settings_of, arm: Running, close: str) -> tuple[int, int]:
    """Of queries asked at once, how many fail for connections that were closed before; and of those under way."""
    shop = Shop(settings_of())
    async with await psycopg.AsyncConnection.connect(arm.dsn, autocommit=True) as superuser:
        read = variant(shop)
        try:
            await asyncio.gather(*(read(7) for _ in range(AT_ONCE)))
            if close == CLOSE:
                await superuser.execute(close)
                return await failures([read(7) for _ in range(AT_ONCE)]), 0
            asked = [asyncio.create_task(read(7)) for _ in range(8 * AT_ONCE)]
            closed = 0
            while not closed and not all(one.done() for one in asked):
                closed = (await superuser.execute(close)).rowcount
            return await failures(asked), closed
        finally:
            await shop.close()


async def failures(asked: list) -> int:
    answers = await asyncio.gather(*asked, return_exceptions=True)
    return sum(isinstance(answer, BaseException) for answer in answers)


@pytest.mark.parametrize(
    ("variant", "fails"),
    [
        (stale_connections.problem, True),
        (stale_connections.pre_ping, False),
        (stale_connections.max_lifetime_and_retry, False),
    ],
)
def test_connections_that_died_in_the_pool(variant, fails: bool, settings_of, arm: Running) -> None:
    failed, _ = asyncio.run(lost(variant, settings_of, arm, CLOSE))
    assert bool(failed) is fails


@pytest.mark.parametrize(
    ("variant", "fails"),
    [(stale_connections.pre_ping, True), (stale_connections.max_lifetime_and_retry, False)],
)
def test_connections_that_die_under_a_query(variant, fails: bool, settings_of, arm: Running) -> None:
    failed, closed = asyncio.run(lost(variant, settings_of, arm, CLOSE_BUSY))
    assert closed, "a query was under way"
    assert bool(failed) is fails
