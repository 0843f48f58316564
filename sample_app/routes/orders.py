"""Looking at an order and placing one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from sample_app.models import Order, OrderItem, Product
from sample_app.schemas import ItemLine, NewOrder, OrderPage, PlacedOrder
from sample_app.shop import TheShop

router = APIRouter(prefix="/orders", tags=["orders"])


@router.get("/{order_id}")
async def read_order(shop: TheShop, order_id: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> OrderPage:
    """One order with its lines."""
    head = select(Order.id, Order.customer_id, Order.status, Order.total_cents, Order.created_at)
    lines = select(OrderItem.line, OrderItem.product_id, OrderItem.quantity, OrderItem.unit_price_cents)
    async with shop.database.reading() as connection:
        order = await connection.execute(head.prefix_with("/* order */").where(Order.id == order_id))
        row = order.mappings().one_or_none()
        if row is None:
            raise HTTPException(404, "no such order")
        wanted = lines.where(OrderItem.order_id == order_id).order_by(OrderItem.line)
        items = await connection.execute(wanted.prefix_with("/* order_items */"))
    return OrderPage(**row, items=[ItemLine.model_validate(item) for item in items])


@router.post("", status_code=201)
async def place_order(shop: TheShop, order: NewOrder) -> PlacedOrder:
    """Order some products at today's prices, all or nothing."""
    try:
        async with shop.database.writing() as connection:
            return await _place(connection, order)
    except IntegrityError as error:
        raise HTTPException(404, "no such customer") from error


async def _place(connection: AsyncConnection, order: NewOrder) -> PlacedOrder:
    prices = await _prices(connection, {item.product_id for item in order.items})
    if any(item.product_id not in prices for item in order.items):
        raise HTTPException(404, "no such product")
    total = sum(prices[item.product_id] * item.quantity for item in order.items)
    head = insert(Order).prefix_with("/* place_order */").returning(Order.id)
    values = {"customer_id": order.customer_id, "status": "paid", "total_cents": total}
    order_id = (await connection.execute(head, values)).scalar_one()
    rows = [
        {
            "order_id": order_id,
            "line": line,
            "product_id": item.product_id,
            "quantity": item.quantity,
            "unit_price_cents": prices[item.product_id],
        }
        for line, item in enumerate(order.items, 1)
    ]
    await connection.execute(insert(OrderItem).prefix_with("/* place_order_items */"), rows)
    return PlacedOrder(id=order_id, total_cents=total)


async def _prices(connection: AsyncConnection, products: set[int]) -> Mapping[int, int]:
    priced = (
        select(Product.id, Product.price_cents).prefix_with("/* prices */").where(Product.id.in_(products))
    )
    return {row.id: row.price_cents for row in await connection.execute(priced)}
