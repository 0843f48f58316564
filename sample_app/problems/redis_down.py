"""A product's page: read from the cache, filled from the database.

The cache makes the page fast. Must it also be able to make it fail?
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, HTTPException, Response
from sqlalchemy import select

from sample_app.models import Product
from sample_app.resilience import GuardedCache, ResilientCache
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
