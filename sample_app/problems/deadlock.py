"""Parcels that customers send back: their goods go back into stock, line by line, all or nothing.

Several parcels are booked at the same time, and popular goods are in many of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence

from fastapi import APIRouter, HTTPException
from psycopg.errors import DeadlockDetected
from pydantic import BaseModel, Field
from sqlalchemy import Integer, column, select, update, values
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from sample_app.models import Product
from sample_app.schemas import FromRow, WantedItem
from sample_app.shop import Shop, TheShop

Book = Callable[[Sequence[WantedItem]], Awaitable[None]]


def problem(shop: Shop) -> Book:
    """In the order in which the lines stand on the slip."""

    async def book(items: Sequence[WantedItem]) -> None:
        await _book_each(shop, items)

    return book


def consistent_order(shop: Shop) -> Book:
    """In the order of the products' numbers, whatever the slip says."""

    async def book(items: Sequence[WantedItem]) -> None:
        await _book_each(shop, sorted(items, key=lambda item: item.product_id))

    return book


def retry_on_deadlock(shop: Shop) -> Book:
    """Whom Postgres chooses to end a deadlock begins again, up to twice."""

    async def book(items: Sequence[WantedItem]) -> None:
        for tries_left in reversed(range(TRIES)):
            try:
                await _book_each(shop, items)
            except DBAPIError as error:
                if not tries_left or not isinstance(error.orig, DeadlockDetected):
                    raise
            else:
                return

    return book


def single_statement(shop: Shop) -> Book:
    """All lines in one UPDATE."""

    async def book(items: Sequence[WantedItem]) -> None:
        quantities = Counter[int]()
        for item in items:
            quantities[item.product_id] += item.quantity
        back = values(column("id", Integer), column("quantity", Integer), name="back").data(
            [*quantities.items()]
        )
        many = update(Product).prefix_with("/* book_return */").where(Product.id == back.c.id)
        async with shop.database.writing() as connection:
            booked = await connection.execute(many.values(stock=Product.stock + back.c.quantity))
            _all_known(booked.rowcount, len(quantities))

    return book


def reference(shop: Shop) -> Book:
    """All products of the slip are locked first, in one statement that says in which order."""

    async def book(items: Sequence[WantedItem]) -> None:
        ids = {item.product_id for item in items}
        locked = select(Product.id).prefix_with("/* lock_return */").where(Product.id.in_(ids))
        async with shop.database.writing() as connection:
            found = await connection.execute(locked.order_by(Product.id).with_for_update())
            _all_known(len(found.all()), len(ids))
            await _book_lines(connection, items)

    return book


VARIANTS = (problem, consistent_order, retry_on_deadlock, single_statement, reference)


def routes(serve: Book) -> APIRouter:
    router = APIRouter(tags=["orders"])

    @router.post("/returns", status_code=204)
    async def book_return(parcel: Parcel) -> None:
        """Put the goods of a parcel back into stock."""
        await serve(parcel.items)

    @router.get("/products/{product_id:int}/stock")
    async def read_stock(shop: TheShop, product_id: int) -> Stock:
        """How many there are."""
        one = select(Product.id, Product.stock).prefix_with("/* stock */").where(Product.id == product_id)
        async with shop.database.reading() as connection:
            row = (await connection.execute(one)).one_or_none()
        if row is None:
            raise HTTPException(404, "no such product")
        return Stock.model_validate(row)

    return router


# What the variants share.


class Parcel(BaseModel):
    items: list[WantedItem] = Field(min_length=1, max_length=50)


class Stock(FromRow):
    id: int
    stock: int


async def _book_each(shop: Shop, items: Iterable[WantedItem]) -> None:
    async with shop.database.writing() as connection:
        await _book_lines(connection, items)


async def _book_lines(connection: AsyncConnection, items: Iterable[WantedItem]) -> None:
    """Each line locks its product until the transaction ends."""
    for item in items:
        one = update(Product).prefix_with("/* book_return */").where(Product.id == item.product_id)
        booked = await connection.execute(one.values(stock=Product.stock + item.quantity))
        _all_known(booked.rowcount, 1)


def _all_known(found: int, wanted: int) -> None:
    """Raises HTTPException, which ends the transaction with nothing booked."""
    if found != wanted:
        raise HTTPException(404, "no such product")


# retry_on_deadlock

TRIES = 3
