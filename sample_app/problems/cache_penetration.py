"""How popular a product is: a sum over all order lines, which is kept in Redis.

For a number that no product has, the sum is as dear as for any other, and finds nothing. What is kept then?
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, HTTPException, Response
from sqlalchemy import func, select

from sample_app.models import OrderItem, Product
from sample_app.schemas import FromRow
from sample_app.shop import Shop

TTL_S = 300

Read = Callable[[int], Awaitable[str | None]]


def problem(shop: Shop) -> Read:
    """What was found is kept. Where nothing was found there is nothing to keep."""

    async def read(product_id: int) -> str | None:
        popularity = await shop.cache.get(_key(product_id))
        if popularity is None and (popularity := await _load(shop, product_id)) is not None:
            await shop.cache.set(_key(product_id), popularity, TTL_S)
        return popularity

    return read


def negative_caching(shop: Shop) -> Read:
    """That nothing was found is kept as well, as an empty text."""

    async def read(product_id: int) -> str | None:
        popularity = await shop.cache.get(_key(product_id))
        if popularity is None:
            popularity = await _load(shop, product_id) or NOTHING
            await shop.cache.set(_key(product_id), popularity, TTL_S)
        return popularity or None

    return read


def known_numbers(shop: Shop) -> Read:
    """Each process knows the numbers of all products; for another one nobody is asked."""
    known = KnownNumbers(shop)

    async def read(product_id: int) -> str | None:
        if not await known.has(product_id):
            return None
        popularity = await shop.cache.get(_key(product_id))
        if popularity is None and (popularity := await _load(shop, product_id)) is not None:
            await shop.cache.set(_key(product_id), popularity, TTL_S)
        return popularity

    return read


VARIANTS = (problem, negative_caching, known_numbers)


def routes(serve: Read) -> APIRouter:
    router = APIRouter(tags=["products"])

    @router.get("/products/{product_id:int}/popularity", response_model=Popularity)
    async def read_popularity(product_id: int) -> Response:
        """In how many orders a product is, how often it was bought, and the number of the last order."""
        popularity = await serve(product_id)
        if popularity is None:
            raise HTTPException(404, "nobody bought such a product")
        return Response(popularity, media_type="application/json")

    return router


# What the variants share.

NOTHING = ""


class Popularity(FromRow):
    orders: int
    sold: int
    last_order: int


def _key(product_id: int) -> str:
    return f"product:{product_id}:popularity"


async def _load(shop: Shop, product_id: int) -> str | None:
    """As JSON text, straight from the database; None where nobody bought such a product."""
    if product_id >= 2**31:
        return None
    counted = (
        select(
            func.count().label("orders"),
            func.sum(OrderItem.quantity).label("sold"),
            func.max(OrderItem.order_id).label("last_order"),
        )
        .prefix_with("/* popularity */")
        .where(OrderItem.product_id == product_id)
    )
    async with shop.database.reading() as connection:
        row = (await connection.execute(counted)).one()
    return Popularity.model_validate(row).model_dump_json() if row.orders else None


# known_numbers


class KnownNumbers:
    """Read at the first question, and again by whoever asks when they are older than ``OLD_S``."""

    OLD_S = 30.0

    def __init__(self, shop: Shop, clock: Callable[[], float] = time.monotonic) -> None:
        self._shop = shop
        self._clock = clock
        self._numbers: frozenset[int] = frozenset()
        self._read_again_at = float("-inf")
        self._lock = asyncio.Lock()

    async def has(self, product_id: int) -> bool:
        async with self._lock:  # one reads, the others wait for it
            if self._clock() >= self._read_again_at:
                await self._read()
                self._read_again_at = self._clock() + self.OLD_S
        return product_id in self._numbers

    async def _read(self) -> None:
        async with self._shop.database.reading() as connection:
            numbers = await connection.scalars(select(Product.id).prefix_with("/* product_numbers */"))
        self._numbers = frozenset(numbers)
