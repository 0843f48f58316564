"""A product's page: read from the cache, filled from the database.

The cache makes the page fast. Must it also be able to make it fail?
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, HTTPException, Response
from redis import RedisError
from sqlalchemy import select

from sample_app.cache import Cache
from sample_app.logs import Throttle, log
from sample_app.models import Product
from sample_app.schemas import ProductPage
from sample_app.shop import BlockingConnectionPool, Shop

TTL_S = 300

Read = Callable[[int], Awaitable[str | None]]


def problem(shop: Shop) -> Read:
    """An error of the cache is an error of the page.

    The client fails fast: it does not retry, and a refused connection is an error within milliseconds.
    """
    cache = shop.cache

    async def read(product_id: int) -> str | None:
        page = await cache.get(_key(product_id))
        if page is None and (page := await _load(shop, product_id)) is not None:
            await cache.set(_key(product_id), page, TTL_S)
        return page

    return read


def retry_with_fallback(shop: Shop) -> Read:
    """The first connection is tried three times; after that an error of the cache means the database."""
    cache = ResilientCache(
        lambda: shop.connect_cache(BlockingConnectionPool, max_connections=20, timeout=None)
    )

    async def read(product_id: int) -> str | None:
        page = await cache.get(_key(product_id))
        if page is None and (page := await _load(shop, product_id)) is not None:
            await cache.set(_key(product_id), page, TTL_S)
        return page

    return read


def circuit_breaker(shop: Shop) -> Read:
    """After three errors in a row the cache is left alone for two seconds; one request then tries it."""
    cache = GuardedCache(shop.connect_cache(socket_timeout=0.1, socket_connect_timeout=0.1))

    async def read(product_id: int) -> str | None:
        page = await cache.get(_key(product_id))
        if page is None and (page := await _load(shop, product_id)) is not None:
            await cache.set(_key(product_id), page, TTL_S)
        return page

    return read


VARIANTS = (problem, retry_with_fallback, circuit_breaker)


def routes(serve: Read) -> APIRouter:
    router = APIRouter(tags=["products"])

    @router.get("/products/{product_id:int}", response_model=ProductPage)
    async def read_product(product_id: int) -> Response:
        """One product with its description."""
        page = await serve(product_id)
        if page is None:
            raise HTTPException(404, "no such product")
        return Response(page, media_type="application/json")

    return router


# What the variants share.


def _key(product_id: int) -> str:
    return f"product:{product_id}"


async def _load(shop: Shop, product_id: int) -> str | None:
    """The page as JSON text, straight from the database; None where there is no such product."""
    if product_id >= 2**31:
        return None
    columns = (Product.id, Product.sku, Product.name, Product.category, Product.price_cents)
    one = select(*columns, Product.description, Product.stock).prefix_with("/* product */")
    async with shop.database.reading() as connection:
        row = (await connection.execute(one.where(Product.id == product_id))).one_or_none()
    return None if row is None else ProductPage.model_validate(row).model_dump_json()


class Outage:
    """Says that the cache does not answer, at most once a second however many requests notice."""

    def __init__(self) -> None:
        self._throttle = Throttle()

    def note(self, error: Exception) -> None:
        if self._throttle.allows():
            log("shop.cache").error("cache error", held_back=self._throttle.held_back(), exc_info=error)


# retry_with_fallback


class ResilientCache:
    """A cache that never raises. Time-outs are redis-py's own (5 s): the documented fix sets none."""

    ATTEMPTS = 3

    def __init__(self, connect: Callable[[], Cache]) -> None:
        self._new_cache = connect
        self._cache: Cache | None = None
        self._outage = Outage()

    async def get(self, key: str) -> str | None:
        try:
            return await (await self._connected()).get(key)
        except (RedisError, OSError) as error:
            self._outage.note(error)
            return None

    async def set(self, key: str, value: str, ttl_s: int) -> None:
        try:
            await (await self._connected()).set(key, value, ttl_s)
        except (RedisError, OSError) as error:
            self._outage.note(error)

    async def _connected(self) -> Cache:
        """The cache. The first time, up to three attempts to reach it, 1 s and 2 s apart."""
        if self._cache is not None:
            return self._cache
        cache = self._new_cache()
        for attempt in range(self.ATTEMPTS):
            try:
                await cache.redis.ping()
                break
            except (RedisError, OSError):
                if attempt == self.ATTEMPTS - 1:
                    raise
                await asyncio.sleep(2**attempt)
        self._cache = cache
        return cache


# circuit_breaker


class GuardedCache:
    """A cache that never raises and, once it fails, is not asked again for a while."""

    FAILURES = 3
    OPEN_S = 2.0

    def __init__(self, cache: Cache, clock: Callable[[], float] = time.monotonic) -> None:
        self._cache = cache
        self._clock = clock
        self._failures = 0
        self._closed_to = 0.0  # no request before this moment; the one that comes first after it probes
        self._outage = Outage()

    async def get(self, key: str) -> str | None:
        return await self._guarded(lambda: self._cache.get(key))

    async def set(self, key: str, value: str, ttl_s: int) -> None:
        await self._guarded(lambda: self._cache.set(key, value, ttl_s))

    async def _guarded(self, call: Callable[[], Awaitable[str | None]]) -> str | None:
        if not self._lets_through():
            return None
        try:
            answer = await call()
        except (RedisError, OSError) as error:
            self._failed(error)
            return None
        self._failures = 0
        return answer

    def _lets_through(self) -> bool:
        if self._failures < self.FAILURES:
            return True
        if self._clock() < self._closed_to:
            return False
        self._closed_to = self._clock() + self.OPEN_S  # the others stay away while this one probes
        return True

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        self._closed_to = self._clock() + self.OPEN_S
        self._outage.note(error)
