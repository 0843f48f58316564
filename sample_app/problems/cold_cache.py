"""What a product sold in each month: dear to compute, the same for hours, and kept in Redis by whoever asks first.

What if all of it is gone at once?
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel
from sqlalchemy import Select, func, select

from sample_app.cache import LocalCache
from sample_app.models import Order, OrderItem
from sample_app.schemas import MonthOfSales
from sample_app.shop import Shop

TTL_S = 3600

ProductId = Annotated[int, Path(ge=1, le=2**31 - 1)]


@dataclass(frozen=True)
class Sales:
    """How one product's sales are read."""

    shop: Shop
    read: Callable[[int], Awaitable[str]]


def problem(shop: Shop) -> Sales:
    """Redis is the only copy: when it is empty, every product is computed again, one by one."""

    async def read(product_id: int) -> str:
        sales = await shop.cache.get(_key(product_id))
        if sales is None:
            sales = await _compute_and_keep(shop, product_id)
        return sales

    return Sales(shop, read)


def second_copy(shop: Shop) -> Sales:
    """Each process keeps what it has read, too, so that an empty Redis is filled again from there."""
    own: LocalCache[str] = LocalCache(size=500, ttl_s=TTL_S, reads=shop.reads)

    async def read(product_id: int) -> str:
        sales = await shop.cache.get(_key(product_id))
        if sales is None and (sales := own.get(product_id)) is not None:
            await shop.cache.set(_key(product_id), sales, TTL_S)
        if sales is None:
            sales = await _compute_and_keep(shop, product_id)
        own.set(product_id, sales)
        return sales

    return Sales(shop, read)


VARIANTS = (problem, second_copy)


class Prepared(BaseModel):
    products: int


def routes(serve: Sales) -> APIRouter:
    router = APIRouter(tags=["products"])

    @router.get("/products/{product_id}/sales", response_model=list[MonthOfSales])
    async def read_sales(product_id: ProductId) -> Response:
        """What the product sold in each month."""
        return Response(await serve.read(product_id), media_type="application/json")

    @router.post("/products/sales/prepare")
    async def prepare_sales(
        first: Annotated[int, Query(ge=1)], last: Annotated[int, Query(le=2**31 - 1)]
    ) -> Prepared:
        """Compute the sales of all products from ``first`` to ``last`` and keep them: for after a deploy."""
        return Prepared(products=await _prepare(serve.shop, first, last))

    return router


# What the variants share.


def _key(product_id: int) -> str:
    return f"product:{product_id}:sales"


def _sales(label: str, first: int, last: int) -> Select[int, str, int, int]:
    """By product and month, over all orders that were not cancelled."""
    month = func.to_char(func.timezone("UTC", Order.created_at), "YYYY-MM").label("month")
    revenue = func.sum(OrderItem.quantity * OrderItem.unit_price_cents).label("revenue_cents")
    return (
        select(OrderItem.product_id, month, func.sum(OrderItem.quantity).label("sold"), revenue)
        .prefix_with(label)
        .join(Order, Order.id == OrderItem.order_id)
        .where(OrderItem.product_id.between(first, last), Order.status != "cancelled")
        .group_by(OrderItem.product_id, month)
        .order_by(OrderItem.product_id, month)
    )


async def _compute(shop: Shop, label: str, first: int, last: int) -> dict[int, str]:
    """The answers as JSON text, of those products that sold anything."""
    async with shop.database.reading() as connection:
        rows = await connection.execute(_sales(label, first, last))
    months: dict[int, list[dict[str, object]]] = {}
    for row in rows:
        months.setdefault(row.product_id, []).append(MonthOfSales.model_validate(row).model_dump())
    return {product_id: json.dumps(sold) for product_id, sold in months.items()}


async def _compute_and_keep(shop: Shop, product_id: int) -> str:
    sales = (await _compute(shop, "/* sales */", product_id, product_id)).get(product_id, "[]")
    await shop.cache.set(_key(product_id), sales, TTL_S)
    return sales


async def _prepare(shop: Shop, first: int, last: int) -> int:
    """One statement for all of them, which costs hardly more than for one; one round trip to Redis."""
    sales = await _compute(shop, "/* sales_of_many */", first, last)
    async with shop.cache.redis.pipeline(transaction=False) as asked:
        for product_id, text in sales.items():
            asked.set(_key(product_id), text, ex=TTL_S)
        await asked.execute()
    return len(sales)
