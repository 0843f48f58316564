"""What a customer has spent, by category: a short query, asked by many at once when a mailing goes out.

A connection is a process of the database server, and the server has only so many to give. Who opens them?
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import func, select

from sample_app.database import Database
from sample_app.models import Order, OrderItem, Product
from sample_app.routes.customers import CustomerId
from sample_app.schemas import FromRow
from sample_app.shop import Shop

Read = Callable[[int], Awaitable["Spending"]]


class Spent(FromRow):
    category: str
    cents: int


class Spending(BaseModel):
    customer_id: int
    spent: Sequence[Spent]


def problem(shop: Shop) -> Read:
    """Each request opens a connection of its own: as many connections as there are requests at the moment."""
    database = shop.connect_database(pool_size=None)

    async def read(customer_id: int) -> Spending:
        return await _spending(database, customer_id)

    return read


def connection_pool(shop: Shop) -> Read:
    """Ten connections and never more; who finds them all in use waits for one."""
    database = shop.connect_database(pool_size=POOL_SIZE)

    async def read(customer_id: int) -> Spending:
        return await _spending(database, customer_id)

    return read


VARIANTS = (problem, connection_pool)


def routes(serve: Read) -> APIRouter:
    router = APIRouter(tags=["customers"])

    @router.get("/customers/{customer_id}/spending")
    async def read_spending(customer_id: CustomerId) -> Spending:
        """What the customer has spent so far, by category, most first."""
        return await serve(customer_id)

    return router


# What the variants share.

POOL_SIZE = 10


async def _spending(database: Database, customer_id: int) -> Spending:
    cents = func.sum(OrderItem.quantity * OrderItem.unit_price_cents).label("cents")
    by_category = (
        select(Product.category, cents)
        .prefix_with("/* spending */")
        .join(OrderItem, OrderItem.product_id == Product.id)
        .join(Order, Order.id == OrderItem.order_id)
        .where(Order.customer_id == customer_id, Order.status != "cancelled")
        .group_by(Product.category)
        .order_by(cents.desc(), Product.category)
    )
    async with database.reading() as connection:
        rows = await connection.execute(by_category)
    return Spending(customer_id=customer_id, spent=[Spent.model_validate(row) for row in rows])
