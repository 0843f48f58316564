"""What a product costs right now: read from the cache, filled from the database.

A server that is gone says so at once. What about one that takes the question and never answers?
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, HTTPException, Response
from sqlalchemy import select

from sample_app.models import Product
from sample_app.resilience import GuardedCache, ResilientCache
from sample_app.schemas import FromRow
from sample_app.shop import BlockingConnectionPool, Shop

TTL_S = 300

Read = Callable[[int], Awaitable[str | None]]


class Price(FromRow):
    id: int
    price_cents: int
    stock: int


def problem(shop: Shop) -> Read:
    """The page waits for the cache for as long as the client library does: five seconds."""
    cache = shop.cache

    async def read(product_id: int) -> str | None:
        price = await cache.get(_key(product_id))
        if price is None and (price := await _load(shop, product_id)) is not None:
            await cache.set(_key(product_id), price, TTL_S)
        return price

    return read


def retry_with_fallback(shop: Shop) -> Read:
    """An error of the cache means the database. Silence is no error: there is no time-out."""
    cache = ResilientCache(
        lambda: shop.connect_cache(BlockingConnectionPool, max_connections=20, timeout=None)
    )

    async def read(product_id: int) -> str | None:
        price = await cache.get(_key(product_id))
        if price is None and (price := await _load(shop, product_id)) is not None:
            await cache.set(_key(product_id), price, TTL_S)
        return price

    return read


def timeout_and_breaker(shop: Shop) -> Read:
    """No answer within 100 ms is an error; after three in a row the cache is left alone for two seconds."""
    cache = GuardedCache(shop.connect_cache(socket_timeout=0.1, socket_connect_timeout=0.1))

    async def read(product_id: int) -> str | None:
        price = await cache.get(_key(product_id))
        if price is None and (price := await _load(shop, product_id)) is not None:
            await cache.set(_key(product_id), price, TTL_S)
        return price

    return read


VARIANTS = (problem, retry_with_fallback, timeout_and_breaker)


def routes(serve: Read) -> APIRouter:
    router = APIRouter(tags=["products"])

    @router.get("/products/{product_id:int}/price", response_model=Price)
    async def read_price(product_id: int) -> Response:
        """What a product costs, and how many are left."""
        price = await serve(product_id)
        if price is None:
            raise HTTPException(404, "no such product")
        return Response(price, media_type="application/json")

    return router


# What the variants share.


def _key(product_id: int) -> str:
    return f"product:{product_id}:price"


async def _load(shop: Shop, product_id: int) -> str | None:
    """The price as JSON text, straight from the database; None where there is no such product."""
    if product_id >= 2**31:
        return None
    one = select(Product.id, Product.price_cents, Product.stock).prefix_with("/* price */")
    async with shop.database.reading() as connection:
        row = (await connection.execute(one.where(Product.id == product_id))).one_or_none()
    return None if row is None else Price.model_validate(row).model_dump_json()
