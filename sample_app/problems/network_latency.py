"""A customer's account at a glance: eight boxes, each with a number of its own.

Each box is a statement that takes the database a fraction of a millisecond. How often is the line crossed?
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, cast

from fastapi import APIRouter, HTTPException
from psycopg import AsyncConnection
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.dialects.postgresql import psycopg

from sample_app.database import Database
from sample_app.models import Customer, Order
from sample_app.routes.customers import CustomerId
from sample_app.schemas import FromRow
from sample_app.shop import Shop

Read = Callable[[int], Awaitable["Account | None"]]


def problem(shop: Shop) -> Read:
    """Each box asks for itself, one after the other."""

    async def read(customer_id: int) -> Account | None:
        return await _box_by_box(shop.database, customer_id)

    return read


def one_statement(shop: Shop) -> Read:
    """All boxes in one statement, which reads the customer's orders once."""

    async def read(customer_id: int) -> Account | None:
        whole = (
            select(Customer.name, *(number.label(box) for box, number in NUMBERS.items()))
            .prefix_with("/* account */")
            .outerjoin(Order, Order.customer_id == Customer.id)
            .where(Customer.id == customer_id)
            .group_by(Customer.id)
        )
        async with shop.database.reading() as connection:
            row = (await connection.execute(whole)).one_or_none()
        return None if row is None else Account.model_validate(row)

    return read


def pipeline(shop: Shop) -> Read:
    """The same eight statements, sent one behind the other without waiting for an answer in between."""

    async def read(customer_id: int) -> Account | None:
        boxes = _boxes(customer_id)
        async with shop.database.reading() as connection:
            driver = cast(AsyncConnection[Any], (await connection.get_raw_connection()).driver_connection)
            async with driver.pipeline():
                asked = [await driver.execute(*_compiled(statement)) for statement in boxes.values()]
            rows = [await one.fetchone() for one in asked]  # inside, the first would be a trip of its own
        return _account({box: row and row[0] for box, row in zip(boxes, rows, strict=True)})

    return read


def concurrent(shop: Shop) -> Read:
    """All boxes ask at the same time, each over a connection of its own."""

    async def read(customer_id: int) -> Account | None:
        boxes = _boxes(customer_id)

        async def ask(statement: Select[Any]) -> Any:
            async with shop.database.reading() as connection:
                return (await connection.execute(statement)).scalar_one_or_none()

        values = await asyncio.gather(*map(ask, boxes.values()))
        return _account(dict(zip(boxes, values, strict=True)))

    return read


def larger_pool(shop: Shop) -> Read:
    """Each box after the other, with eight times as many connections for all who ask."""
    database = shop.connect_database(POOL_SIZE)

    async def read(customer_id: int) -> Account | None:
        return await _box_by_box(database, customer_id)

    return read


VARIANTS = (problem, one_statement, pipeline, concurrent, larger_pool)


def routes(serve: Read) -> APIRouter:
    router = APIRouter(tags=["customers"])

    @router.get("/customers/{customer_id}/account")
    async def read_account(customer_id: CustomerId) -> Account:
        """What the customer has ordered so far, in eight numbers."""
        account = await serve(customer_id)
        if account is None:
            raise HTTPException(404, "no such customer")
        return account

    return router


# What the variants share.


class Account(FromRow):
    name: str
    orders: int
    paid: int
    cancelled: int
    spent_cents: int
    dearest_cents: int | None
    first_at: datetime | None
    latest_at: datetime | None


NUMBERS: Mapping[str, ColumnElement[Any]] = {
    "orders": func.count(Order.id),
    "paid": func.count(Order.id).filter(Order.status == "paid"),
    "cancelled": func.count(Order.id).filter(Order.status == "cancelled"),
    "spent_cents": func.coalesce(func.sum(Order.total_cents).filter(Order.status != "cancelled"), 0),
    "dearest_cents": func.max(Order.total_cents),
    "first_at": func.min(Order.created_at),
    "latest_at": func.max(Order.created_at),
}


def _boxes(customer_id: int) -> dict[str, Select[Any]]:
    """A statement with one value for each box."""
    name = select(Customer.name).prefix_with("/* account_name */").where(Customer.id == customer_id)
    numbers = {
        box: select(number).prefix_with(f"/* account_{box} */").where(Order.customer_id == customer_id)
        for box, number in NUMBERS.items()
    }
    return {"name": name, **numbers}


async def _box_by_box(database: Database, customer_id: int) -> Account | None:
    async with database.reading() as connection:
        values = {
            box: (await connection.execute(statement)).scalar_one_or_none()
            for box, statement in _boxes(customer_id).items()
        }
    return _account(values)


def _account(values: Mapping[str, Any]) -> Account | None:
    return None if values["name"] is None else Account.model_validate(values)


# pipeline


def _compiled(statement: Select[Any]) -> tuple[str, Mapping[str, Any]]:
    compiled = statement.compile(dialect=psycopg.dialect())  # type: ignore[no-untyped-call]
    return compiled.string, compiled.params


# larger_pool

POOL_SIZE = 32
