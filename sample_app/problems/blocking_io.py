"""A year's sales by category: a report over 300,000 order lines, which Postgres adds up in some 100 ms.

It is asked now and then by the people who buy for the shop. What do customers do in that moment?
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, HTTPException
from sqlalchemy import Engine, Executable, func, select

from sample_app.models import Order, OrderItem, Product
from sample_app.schemas import CategorySales
from sample_app.shop import Shop

Read = Callable[[int], Awaitable[list[CategorySales]]]


def problem(shop: Shop) -> Read:
    """A coroutine that calls a client that blocks: nobody else is served until Postgres has answered."""
    engine = shop.database.blocking()

    async def read(month: int) -> list[CategorySales]:
        return _ask(engine, month)

    return read


def async_io(shop: Shop) -> Read:
    """The asynchronous client gives the event loop back while Postgres works."""

    async def read(month: int) -> list[CategorySales]:
        async with shop.database.reading() as connection:
            rows = await connection.execute(_sales(month))
        return [CategorySales.model_validate(row) for row in rows]

    return read


def thread_pool(shop: Shop) -> Read:
    """The client that blocks does so in a thread of its own; there are as many as it has connections."""
    engine = shop.database.blocking()
    threads = CapacityLimiter(shop.settings.pool_size)

    async def read(month: int) -> list[CategorySales]:
        return await to_thread.run_sync(_ask, engine, month, limiter=threads)

    return read


VARIANTS = (problem, async_io, thread_pool)


def routes(serve: Read) -> APIRouter:
    router = APIRouter(prefix="/reports", tags=["reports"])

    @router.get("/years/{month}")
    async def read_year(month: int) -> list[CategorySales]:
        """What each category sold in the twelve months from one on, the best first."""
        if not 1 <= month <= LAST_MONTH:
            raise HTTPException(404, "no such month")
        return await serve(month)

    return router


# What the variants share.

ORDERS_A_MONTH = 12_500
LAST_MONTH = 13  # whose year is over, so that its answer stays the same


def _ask(engine: Engine, month: int) -> list[CategorySales]:
    """By the synchronous client: the thread that calls it waits for Postgres."""
    with engine.connect() as connection:
        return [CategorySales.model_validate(row) for row in connection.execute(_sales(month))]


def _sales(month: int) -> Executable:
    revenue = func.sum(OrderItem.quantity * OrderItem.unit_price_cents).label("revenue_cents")
    sold = func.sum(OrderItem.quantity).label("sold")
    first = (month - 1) * ORDERS_A_MONTH + 1
    last = first + 12 * ORDERS_A_MONTH - 1
    return (
        select(Product.category, sold, revenue)
        .prefix_with("/* year_sales */")
        .join(OrderItem, OrderItem.product_id == Product.id)
        .join(Order, Order.id == OrderItem.order_id)
        .where(Order.id.between(first, last), OrderItem.order_id.between(first, last))
        .where(Order.status != "cancelled")
        .group_by(Product.category)
        .order_by(revenue.desc(), Product.category)
    )
