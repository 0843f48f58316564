"""Which way of telling the caches holds between two processes, and against a reader that is late."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from sample_app.problems import stale_cache
from sample_app.problems.stale_cache import Found, Offers
from sample_app.shop import Shop

KEY, LIST, PRODUCT = "products:offer:7", "products:list:7", 7

FIXES = (stale_cache.invalidate_on_write, stale_cache.versioned_keys, stale_cache.tag_invalidation)


class Row:
    """The product as the database has it."""

    revision = 1

    async def load(self) -> Found:
        return Found(json.dumps({"revision": self.revision}), [PRODUCT])


def tell(settings_of, variant: Callable[[Shop], Offers], story: Callable[..., Awaitable[None]]) -> None:
    """A story of two processes: the same code twice, each with a local cache of its own."""

    async def told() -> None:
        shops = Shop(settings_of()), Shop(settings_of())
        try:
            await story(*(variant(shop) for shop in shops), Row())
        finally:
            for shop in shops:
                await shop.close()

    asyncio.run(told())


async def revision(offers: Offers, row: Row, key: str = KEY) -> int:
    text = await offers.read(key, row.load)
    assert text is not None
    return int(json.loads(text)["revision"])


@pytest.mark.parametrize(
    ("variant", "here", "there"),
    [
        (stale_cache.problem, 1, 1),
        *[(fix, 2, 2 if fix is stale_cache.versioned_keys else 1) for fix in FIXES],
    ],
)
@pytest.mark.parametrize("key", [KEY, LIST])
def test_after_a_write_each_process_shows(variant, here, there, key, settings_of, redis) -> None:
    async def story(writer: Offers, other: Offers, row: Row) -> None:
        assert await revision(writer, row, key) == await revision(other, row, key) == 1
        row.revision = 2
        await writer.changed(PRODUCT)
        assert await revision(writer, row, key) == here
        assert await revision(other, row, key) == there

    tell(settings_of, variant, story)


@pytest.mark.parametrize(
    ("variant", "shown"), [(fix, 2 if fix is stale_cache.versioned_keys else 1) for fix in FIXES]
)
def test_a_reader_that_is_later_than_the_write(variant, shown, settings_of, redis) -> None:
    async def story(offers: Offers, _other: Offers, row: Row) -> None:
        async def overtaken() -> Found:
            found = await row.load()
            row.revision = 2
            await offers.changed(PRODUCT)
            return found

        await offers.read(KEY, overtaken)
        assert await revision(offers, row) == shown

    tell(settings_of, variant, story)


def test_a_tag_leaves_lists_without_the_product_alone(settings_of, redis) -> None:
    async def story(offers: Offers, _other: Offers, row: Row) -> None:
        await revision(offers, row, LIST)
        await offers.changed(PRODUCT + 1)
        assert redis.exists(LIST)
        await offers.changed(PRODUCT)
        assert not redis.keys("*")

    tell(settings_of, stale_cache.tag_invalidation, story)


def test_the_pattern_takes_all_lists_and_nothing_else(settings_of, redis) -> None:
    async def story(offers: Offers, _other: Offers, row: Row) -> None:
        for key in (KEY, "products:offer:8", LIST, "products:list:900"):
            await revision(offers, row, key)
        await offers.changed(PRODUCT)
        assert redis.keys("*") == ["products:offer:8"]

    tell(settings_of, stale_cache.invalidate_on_write, story)
