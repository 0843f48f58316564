"""The materialised view of the categories: made once, by whichever process comes first."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from redis import Redis

from sample_app.problems import no_cache
from sample_app.shop import Shop


@pytest.fixture
def without_view(arm) -> None:
    with psycopg.connect(arm.dsn, autocommit=True) as database:
        database.execute(f"DROP MATERIALIZED VIEW IF EXISTS {no_cache.VIEW.name}")


@pytest.mark.usefixtures("without_view")
def test_processes_that_find_no_view_make_one(settings_of) -> None:
    async def story() -> list[bytes | str]:
        shops = [Shop(settings_of()) for _ in range(3)]
        try:
            reads = [no_cache.materialised_view(shop) for shop in shops]
            kept = await asyncio.gather(*(reads[n % 3]() for n in range(9)))
            return [*kept, await no_cache.problem(shops[0])()]
        finally:
            for shop in shops:
                await shop.close()

    assert len(set(asyncio.run(story()))) == 1


def test_a_kept_answer_is_served_until_it_expires(settings_of, redis: Redis) -> None:
    async def story() -> list[bytes | str]:
        shop = Shop(settings_of())
        try:
            read = no_cache.redis_cache(shop)
            first = await read()
            redis.set(no_cache.KEY, "[]", keepttl=True)
            return [first, await read()]
        finally:
            await shop.close()

    first, second = asyncio.run(story())
    assert str(first).startswith("[{") and second == "[]"
    assert 0 < redis.ttl(no_cache.KEY) <= no_cache.TTL_S
