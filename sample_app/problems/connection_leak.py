"""The invoice of an order: who pays, and for what. Now and then somebody asks for one that does not exist.

Each request works in a database session of its own. Who gives it back, and also when the order is not found?
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, HTTPException
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session

from sample_app.models import Customer, Order, OrderItem, Product
from sample_app.schemas import Invoice, InvoiceLine
from sample_app.shop import Shop

Read = Callable[[int], Awaitable[Invoice]]


def problem(shop: Shop) -> Read:
    """The session goes back after the answer. An error leaves by another way and goes past that line."""
    sessions = async_scoped_session(shop.database.sessions, scopefunc=asyncio.current_task)

    async def read(order_id: int) -> Invoice:
        invoice = await _invoice(sessions(), order_id)
        await sessions.remove()
        return invoice

    return read


def session_context_manager(shop: Shop) -> Read:
    """The session goes back at the end of the block, whichever way the block is left."""

    async def read(order_id: int) -> Invoice:
        async with shop.database.sessions() as session:
            return await _invoice(session, order_id)

    return read


VARIANTS = (problem, session_context_manager)


def routes(serve: Read) -> APIRouter:
    router = APIRouter(tags=["orders"])

    @router.get("/orders/{order_id:int}/invoice")
    async def read_invoice(order_id: int) -> Invoice:
        """The invoice of an order."""
        try:
            return await serve(order_id)
        except LookupError as error:
            raise HTTPException(404, "no such order") from error

    return router


# What the variants share.


async def _invoice(session: AsyncSession, order_id: int) -> Invoice:
    """LookupError where there is no such order."""
    head = (
        select(Order.id, Order.total_cents, Order.created_at, Customer.name, Customer.city)
        .prefix_with("/* invoice */")
        .join(Customer, Customer.id == Order.customer_id)
        .where(Order.id == order_id)
    )
    row = (await session.execute(head)).mappings().one_or_none()
    if row is None:
        raise LookupError(f"order {order_id}")
    lines = (
        select(Product.name, OrderItem.quantity, OrderItem.unit_price_cents)
        .prefix_with("/* invoice_lines */")
        .join(OrderItem, OrderItem.product_id == Product.id)
        .where(OrderItem.order_id == order_id)
        .order_by(OrderItem.line)
    )
    sold = await session.execute(lines)
    return Invoice(**row, lines=[InvoiceLine.model_validate(line) for line in sold])
