"""The packing list: the newest twenty orders, each with who gets it and what goes into the parcel.

In the code an order's customer is an attribute like any other. Where does it come from?
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Generic, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import Select, select
from sqlalchemy.orm import contains_eager, joinedload, selectinload

from sample_app.models import Customer, Order, OrderItem
from sample_app.shop import Shop

LENGTH = 20


class ParcelItem(BaseModel):
    product_id: int
    quantity: int


class Parcel(BaseModel):
    order_id: int
    ordered_at: datetime
    name: str
    city: str
    items: list[ParcelItem]


Read = Callable[[], Awaitable[list[Parcel]]]


def problem(shop: Shop) -> Read:
    """The list comes in one statement; each order is then asked for its customer, and for its items."""
    newest = _newest()

    async def read() -> list[Parcel]:
        async with shop.database.session() as session:
            return await session.run_sync(lambda orm: [_parcel(order) for order in orm.scalars(newest)])

    return read


def eager_loading(shop: Shop) -> Read:
    """The customers come in the statement of the list, the items of all its orders in one more."""
    newest = _newest().options(joinedload(Order.customer), selectinload(Order.items))

    async def read() -> list[Parcel]:
        async with shop.database.session() as session:
            return await session.run_sync(lambda orm: [_parcel(order) for order in orm.scalars(newest)])

    return read


def dataloader(shop: Shop) -> Read:
    """Each order still asks for itself; a loader puts what is asked at one moment into one statement."""
    newest = _newest()

    async def read() -> list[Parcel]:
        async with shop.database.session() as session:
            orders = await session.scalars(newest)
        customers, items = Loader(partial(_customers, shop)), Loader(partial(_items, shop))
        return await asyncio.gather(*(_resolved(order, customers, items) for order in orders))

    return read


def reference(shop: Shop) -> Read:
    """Everything comes in one statement whose joins are written by hand."""
    newest = _newest_joined()

    async def read() -> list[Parcel]:
        async with shop.database.session() as session:
            return await session.run_sync(
                lambda orm: [_parcel(order) for order in orm.scalars(newest).unique()]
            )

    return read


VARIANTS = (problem, eager_loading, dataloader, reference)


def routes(serve: Read) -> APIRouter:
    router = APIRouter(tags=["orders"])

    @router.get("/packing-list")
    async def packing_list() -> list[Parcel]:
        """The newest twenty orders, with who gets them and what is in them."""
        return await serve()

    return router


# What the variants share.


def _newest() -> Select[Order]:
    return select(Order).prefix_with("/* packing_list */").order_by(Order.id.desc()).limit(LENGTH)


def _parcel(order: Order) -> Parcel:
    """Nothing here looks like a query: an attribute that is not loaded yet is fetched when it is read."""
    return _packed(order, order.customer, order.items)


def _packed(order: Order, customer: Customer, items: Sequence[OrderItem]) -> Parcel:
    return Parcel(
        order_id=order.id,
        ordered_at=order.created_at,
        name=customer.name,
        city=customer.city,
        items=[ParcelItem(product_id=item.product_id, quantity=item.quantity) for item in items],
    )


# dataloader

Value = TypeVar("Value")


class Loader(Generic[Value]):
    """One for each request: keys that are asked for in one turn of the event loop are fetched together.

    ``fetch`` gets each key once and gives values by key. Its error reaches all who asked.
    """

    def __init__(self, fetch: Callable[[Sequence[int]], Awaitable[Mapping[int, Value]]]) -> None:
        self._fetch = fetch
        self._asked: dict[int, None] = {}
        self._batch: asyncio.Task[Mapping[int, Value]] | None = None

    async def load(self, key: int) -> Value:
        self._asked[key] = None
        if self._batch is None:
            self._batch = asyncio.create_task(self._run())
        return (await self._batch)[key]

    async def _run(self) -> Mapping[int, Value]:
        """A new task has its turn after those that are ready to run, and these are the ones that ask."""
        keys, self._asked, self._batch = list(self._asked), {}, None
        return await self._fetch(keys)


async def _resolved(order: Order, customers: Loader[Customer], items: Loader[list[OrderItem]]) -> Parcel:
    customer, lines = await asyncio.gather(customers.load(order.customer_id), items.load(order.id))
    return _packed(order, customer, lines)


async def _customers(shop: Shop, ids: Sequence[int]) -> Mapping[int, Customer]:
    wanted = select(Customer).prefix_with("/* packing_customers */").where(Customer.id.in_(ids))
    async with shop.database.session() as session:
        return {customer.id: customer for customer in await session.scalars(wanted)}


async def _items(shop: Shop, order_ids: Sequence[int]) -> Mapping[int, list[OrderItem]]:
    wanted = select(OrderItem).prefix_with("/* packing_items */").where(OrderItem.order_id.in_(order_ids))
    found: dict[int, list[OrderItem]] = defaultdict(list)
    async with shop.database.session() as session:
        for item in await session.scalars(wanted.order_by(OrderItem.order_id, OrderItem.line)):
            found[item.order_id].append(item)
    return found


# reference


def _newest_joined() -> Select[Order]:
    twenty = select(Order.id).order_by(Order.id.desc()).limit(LENGTH)
    return (
        select(Order)
        .prefix_with("/* packing_list */")
        .join(Order.customer)
        .outerjoin(Order.items)
        .options(contains_eager(Order.customer), contains_eager(Order.items))
        .where(Order.id.in_(twenty))
        .order_by(Order.id.desc(), OrderItem.line)
    )
