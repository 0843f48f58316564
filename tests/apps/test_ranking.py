"""The variants of the ranking under the moment they are about: many readers, and the key is gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from asking import until
from redis import Redis

from sample_app.problems import stampede
from sample_app.shop import Shop

READERS = 16


class Computations:
    """Counts the real computation, and can make it fail."""

    def __init__(self, compute: Callable) -> None:
        self._compute = compute
        self.count = 0
        self.failures = 0

    async def __call__(self, shop: Shop) -> str:
        self.count += 1
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the database went away")
        return await self._compute(shop)


@pytest.fixture
def computed(monkeypatch) -> Computations:
    counting = Computations(stampede._compute)
    monkeypatch.setattr(stampede, "_compute", counting)
    return counting


@asynccontextmanager
async def processes(settings_of, count: int) -> AsyncIterator[list[Shop]]:
    shops = [Shop(settings_of()) for _ in range(count)]
    try:
        yield shops
    finally:
        for shop in shops:
            await shop.close()


async def read_together(settings_of, variant: Callable, count: int = 1) -> set[str]:
    async with processes(settings_of, count) as shops:
        reads = [variant(shop) for shop in shops]
        found = await asyncio.gather(*(reads[n % count]() for n in range(READERS)))
    return set(found)


@pytest.mark.parametrize(
    ("variant", "shops", "computations"),
    [
        (stampede.single_flight, 1, {1}),
        (stampede.distributed_lock, 1, {1}),
        (stampede.distributed_lock, 2, {1}),
        (stampede.stale_while_revalidate, 1, {1}),
        (stampede.problem, 1, set(range(2, READERS + 1))),
        (stampede.early_expiry, 1, set(range(2, READERS + 1))),  # nothing to do early for a deleted key
    ],
)
def test_readers_who_miss_together(variant, shops, computations, settings_of, redis, computed) -> None:
    found = asyncio.run(read_together(settings_of, variant, shops))
    assert len(found) == 1
    assert computed.count in computations
    assert redis.get(stampede.KEY) in found
    assert 0 < redis.ttl(stampede.KEY) <= stampede.TTL_S


def test_a_leader_whose_client_leaves_takes_nobody_along(settings_of, computed) -> None:
    async def story() -> list[str]:
        async with processes(settings_of, 1) as [shop]:
            flight = stampede.Flight(lambda: computed(shop))
            leader, *waiters = [asyncio.create_task(flight.join()) for _ in range(5)]
            await until(lambda: computed.count, "the leader computes")
            leader.cancel()
            return list(await asyncio.gather(*waiters))

    assert len(set(asyncio.run(story()))) == 1
    assert computed.count == 1


def test_an_error_reaches_those_who_wait_and_is_not_kept(settings_of, computed) -> None:
    async def story() -> tuple[list, str]:
        async with processes(settings_of, 1) as [shop]:
            flight = stampede.Flight(lambda: computed(shop))
            failed = await asyncio.gather(*(flight.join() for _ in range(5)), return_exceptions=True)
            return failed, await flight.join()

    computed.failures = 1
    failed, ranking = asyncio.run(story())
    assert [type(error) for error in failed] == [ConnectionError] * 5
    assert computed.count == 2
    assert ranking.startswith("[{")


def test_readers_get_the_copy_while_one_renews(settings_of, redis: Redis, computed) -> None:
    redis.set(stampede.COPY_KEY, "[]")

    async def story() -> set[str]:
        async with processes(settings_of, 1) as [shop]:
            read = stampede.stale_while_revalidate(shop)
            found = await asyncio.gather(*(read() for _ in range(READERS)))
            await until(lambda: redis.exists(stampede.KEY), "the ranking is renewed")
            return set(found)

    assert asyncio.run(story()) == {"[]"}
    assert computed.count == 1


def test_the_lock_of_a_dead_process_runs_out(settings_of, redis: Redis, computed) -> None:
    redis.set(stampede.LOCK_KEY, "somebody else", px=150)
    begun = time.monotonic()
    assert len(asyncio.run(read_together(settings_of, stampede.distributed_lock))) == 1
    assert time.monotonic() - begun < stampede.WAIT_S
    assert computed.count == 1
    assert not redis.exists(stampede.LOCK_KEY)


def test_a_lock_that_is_held_for_good_delays_but_does_not_stop(
    settings_of, redis: Redis, computed, monkeypatch
) -> None:
    monkeypatch.setattr(stampede, "WAIT_S", 0.1)
    redis.set(stampede.LOCK_KEY, "somebody else")
    assert len(asyncio.run(read_together(settings_of, stampede.distributed_lock))) == 1
    assert redis.get(stampede.LOCK_KEY) == "somebody else", "only the holder may release a lock"


@pytest.mark.parametrize(("left_s", "renewed"), [(1, 1), (stampede.TTL_S, 0)])
def test_a_ranking_is_renewed_early_only_near_its_end(
    left_s, renewed, settings_of, redis: Redis, computed, monkeypatch
) -> None:
    monkeypatch.setattr(stampede.random, "random", lambda: 0.5)
    redis.set(stampede.KEY, "[]", ex=left_s)
    redis.set(stampede.TOOK_KEY, "10")  # 10 s of computing x ln 2 is about 7 s ahead

    async def story() -> str:
        async with processes(settings_of, 1) as [shop]:
            return await stampede.early_expiry(shop)()

    ranking = asyncio.run(story())
    assert computed.count == renewed
    assert (ranking == "[]") == (not renewed)
