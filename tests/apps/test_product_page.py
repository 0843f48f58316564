"""The variants of the product page while Redis is dead, and after it is back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator

import pytest
from redis import RedisError

from lab.model.stack import Running
from sample_app.logs import Throttle
from sample_app.problems import redis_down
from sample_app.resilience import GuardedCache
from sample_app.shop import Shop


@pytest.fixture
def outage(arm: Running, redis) -> Iterator[Running]:
    try:
        yield arm
    finally:
        arm.start("redis")


def tell(settings_of, story: Callable) -> None:
    async def told() -> None:
        shop = Shop(settings_of())
        try:
            await story(shop)
        finally:
            await shop.close()

    asyncio.run(told())


def number_of(page: str | None) -> int:
    assert page is not None
    return int(json.loads(page)["id"])


def test_without_a_fallback_the_page_fails_at_once(outage: Running, settings_of) -> None:
    async def story(shop: Shop) -> None:
        read = redis_down.problem(shop)
        assert number_of(await read(7)) == 7
        outage.kill("redis")
        async with asyncio.timeout(2):
            with pytest.raises(RedisError):
                await read(7)
        outage.start("redis")
        assert number_of(await read(7)) == 7

    tell(settings_of, story)


def test_the_fallback_answers_from_the_database(outage: Running, settings_of) -> None:
    async def story(shop: Shop) -> None:
        read = redis_down.retry_with_fallback(shop)
        await read(7)
        outage.kill("redis")
        async with asyncio.timeout(2.5):  # the waits of 1 and 2 s are for the first connection only
            assert [number_of(await read(n)) for n in range(1, 11)] == list(range(1, 11))
        assert await read(999_999) is None
        outage.start("redis")
        await read(8)
        assert await shop.cache.get("product:8") is not None, "the cache is in use again"

    tell(settings_of, story)


def test_the_first_connection_is_tried_three_times(outage: Running, settings_of, monkeypatch) -> None:
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    async def story(shop: Shop) -> None:
        outage.kill("redis")
        monkeypatch.setattr(asyncio, "sleep", wait)
        assert number_of(await redis_down.retry_with_fallback(shop)(7)) == 7

    tell(settings_of, story)
    assert waits == [1, 2, 1, 2], "once for the read and once for the write"


def test_the_breaker_opens_probes_and_closes(outage: Running, settings_of, monkeypatch) -> None:
    now = asked = 0

    async def story(shop: Shop) -> None:
        nonlocal now, asked
        cache = shop.connect_cache(socket_timeout=0.1)
        real = cache.get

        async def counted(key: str) -> str | None:
            nonlocal asked
            asked += 1
            return await real(key)

        monkeypatch.setattr(cache, "get", counted)
        guarded = GuardedCache(cache, clock=lambda: now)
        outage.kill("redis")
        for _ in range(10):
            assert await guarded.get("product:7") is None
        assert asked == guarded.FAILURES, "open: not asked any more"
        outage.start("redis")
        assert await guarded.get("product:7") is None
        now += guarded.OPEN_S
        await asyncio.gather(*(guarded.get("product:7") for _ in range(5)))
        assert asked == guarded.FAILURES + 1, "half open: one probe, the others stay away"
        await guarded.get("product:7")
        assert asked == guarded.FAILURES + 2, "closed again"

    tell(settings_of, story)


def test_the_breaker_answers_from_the_database(outage: Running, settings_of) -> None:
    async def story(shop: Shop) -> None:
        read = redis_down.circuit_breaker(shop)
        outage.kill("redis")
        async with asyncio.timeout(2):
            assert [number_of(await read(n)) for n in range(1, 11)] == list(range(1, 11))

    tell(settings_of, story)


def test_an_outage_is_one_line_a_second() -> None:
    now = 0.0
    throttle = Throttle(clock=lambda: now)
    lines = []
    for moment in range(300):  # 3 s at 100 errors a second
        now = moment / 100
        if throttle.allows():
            lines.append(throttle.held_back())
    assert lines == [0, 99, 99]
