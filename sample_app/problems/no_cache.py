"""The categories of the shop with what each sold in the season: numbers that are dear and hardly ever change.

The page shows them to everybody. Who computes them?
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, TypeAdapter
from sqlalchemy import Select, column, func, select, table, text
from sqlalchemy.dialects.postgresql import dialect

from sample_app.models import Order, OrderItem, Product
from sample_app.shop import Shop

KEY = "categories"
TTL_S = 300

Read = Callable[[], Awaitable[bytes | str]]


def problem(shop: Shop) -> Read:
    """Every request computes them."""

    async def read() -> bytes | str:
        return await _answer(shop, _totals())

    return read


def redis_cache(shop: Shop) -> Read:
    """Computed once in five minutes, by whoever comes first, and kept in Redis."""

    async def read() -> bytes | str:
        kept = await shop.cache.get(KEY)
        if kept is None:
            kept = (await _answer(shop, _totals())).decode()
            await shop.cache.set(KEY, kept, TTL_S)
        return kept

    return read


def materialised_view(shop: Shop) -> Read:
    """Postgres keeps the result as a table of one row a category, and every request reads it."""
    view = View(shop)

    async def read() -> bytes | str:
        await view.exists()
        return await _answer(shop, _kept_totals())

    return read


VARIANTS = (problem, redis_cache, materialised_view)


def routes(serve: Read) -> APIRouter:
    router = APIRouter(tags=["products"])

    @router.get("/categories", response_model=list[Category])
    async def categories() -> Response:
        """The categories and what they sold in the season, the best first."""
        return Response(await serve(), media_type="application/json")

    return router


# What the variants share.

# A season is closed: orders that come in now count in the next one, so the answer stays the same.
SEASON = (280_001, 300_000)  # numbers of its first and its last order


class Category(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    category: str
    sold: int
    revenue_cents: int


_CATEGORIES = TypeAdapter(list[Category])


def _totals() -> Select[*tuple[Any, ...]]:
    """One statement over the season's 20,000 orders and their 40,000 lines."""
    revenue = func.sum(OrderItem.quantity * OrderItem.unit_price_cents).label("revenue_cents")
    return (
        select(Product.category, func.sum(OrderItem.quantity).label("sold"), revenue)
        .prefix_with("/* categories */")
        .join(OrderItem, OrderItem.product_id == Product.id)
        .join(Order, Order.id == OrderItem.order_id)
        .where(Order.id.between(*SEASON), OrderItem.order_id.between(*SEASON), Order.status != "cancelled")
        .group_by(Product.category)
        .order_by(revenue.desc())
    )


async def _answer(shop: Shop, totals: Select[*tuple[Any, ...]]) -> bytes:
    async with shop.database.reading() as connection:
        rows = (await connection.execute(totals)).all()
    return _CATEGORIES.dump_json(_CATEGORIES.validate_python(rows, from_attributes=True))


# materialised_view

VIEW = table("category_totals", *map(column, Category.model_fields))


def _kept_totals() -> Select[*tuple[Any, ...]]:
    return select(VIEW).prefix_with("/* categories_kept */").order_by(VIEW.c.revenue_cents.desc())


class View:
    """Made where it is missing, before its first reader of this process; at a company a migration makes it."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._lock = asyncio.Lock()
        self._made = False

    async def exists(self) -> None:
        """Return when it is there."""
        async with self._lock:
            if not self._made:
                await self._make()
                self._made = True

    async def _make(self) -> None:
        totals = _totals().compile(
            dialect=dialect(),  # type: ignore[no-untyped-call]
            compile_kwargs={"literal_binds": True},
        )
        async with self._shop.database.writing() as connection:
            # IF NOT EXISTS looks and then makes: of two processes that look together, one would fail.
            await connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(VIEW.name))))
            await connection.execute(text(f"CREATE MATERIALIZED VIEW IF NOT EXISTS {VIEW.name} AS {totals}"))
