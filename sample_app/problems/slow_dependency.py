"""A product's delivery promise: the stock from the database, the days on the road from the carrier's records.

The carrier keeps its records in Redis, at the other end of a line that is slow today. The shop has four
connections to its database, for all of its pages. How many of them wait for the carrier?
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel
from redis import RedisError
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sample_app.models import Product
from sample_app.resilience import GuardedCache
from sample_app.shop import Shop

Read = Callable[[int], Awaitable["Delivery | None"]]


def problem(shop: Shop) -> Read:
    """One connection from the first line to the last, also while the carrier is asked."""

    async def read(product_id: int) -> Delivery | None:
        async with shop.database.reading() as connection:
            stock = await _stock(connection, product_id)
            return _delivery(product_id, stock, await shop.cache.get(_key(product_id)))

    return read


def timeout(shop: Shop) -> Read:
    """The carrier has 50 ms; without its answer the page shows the stock alone."""

    carrier = shop.connect_cache(socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)

    async def read(product_id: int) -> Delivery | None:
        async with shop.database.reading() as connection:
            stock = await _stock(connection, product_id)
            return _delivery(product_id, stock, await _if_answered(carrier.get(_key(product_id))))

    return read


def circuit_breaker(shop: Shop) -> Read:
    """After three time-outs in a row the carrier is not asked at all for two seconds."""
    carrier = GuardedCache(shop.connect_cache(socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S))

    async def read(product_id: int) -> Delivery | None:
        async with shop.database.reading() as connection:
            stock = await _stock(connection, product_id)
            return _delivery(product_id, stock, await carrier.get(_key(product_id)))

    return read


def bulkhead(shop: Shop) -> Read:
    """At most two of these pages ask the carrier at a time; the others show the stock alone."""
    places = asyncio.Semaphore(PLACES)

    async def read(product_id: int) -> Delivery | None:
        async with shop.database.reading() as connection:
            stock = await _stock(connection, product_id)
            if places.locked():
                return _delivery(product_id, stock, None)
            async with places:
                return _delivery(product_id, stock, await shop.cache.get(_key(product_id)))

    return read


def release_first(shop: Shop) -> Read:
    """The connection goes back to the pool before the carrier is asked."""

    async def read(product_id: int) -> Delivery | None:
        async with shop.database.reading() as connection:
            stock = await _stock(connection, product_id)
        return _delivery(product_id, stock, await shop.cache.get(_key(product_id)))

    return read


VARIANTS = (problem, timeout, circuit_breaker, bulkhead, release_first)


def routes(serve: Read) -> APIRouter:
    router = APIRouter(tags=["products"])

    @router.get("/products/{product_id:int}/delivery")
    async def read_delivery(product_id: int) -> Delivery:
        """How many are left, and how many days one is on the road, where the carrier says so."""
        delivery = await serve(product_id)
        if delivery is None:
            raise HTTPException(404, "no such product")
        return delivery

    return router


# What the variants share.

TIMEOUT_S = 0.05
PLACES = 2


class Delivery(BaseModel):
    id: int
    stock: int
    days: int | None


def _key(product_id: int) -> str:
    return f"carrier:{product_id}:days"


def _one(product_id: int) -> Select[int]:
    return select(Product.stock).prefix_with("/* delivery */").where(Product.id == product_id)


async def _stock(connection: AsyncConnection, product_id: int) -> int | None:
    """None where there is no such product."""
    if product_id >= 2**31:
        return None
    return (await connection.execute(_one(product_id))).scalar_one_or_none()


def _delivery(product_id: int, stock: int | None, days: str | None) -> Delivery | None:
    if stock is None:
        return None
    return Delivery(id=product_id, stock=stock, days=None if days is None else int(days))


# timeout


async def _if_answered(asked: Awaitable[str | None]) -> str | None:
    """The answer, or None where there is an error instead."""
    try:
        return await asked
    except RedisError:
        return None
