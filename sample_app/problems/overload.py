"""What people in a customer's city buy together with what: a sum over some thousand orders.

One thread works on it, over a connection of its own, and some days more is asked than it can do.
Who is let in, and who is told at once to come back later?
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from fastapi import APIRouter, HTTPException
from sqlalchemy import Select, func, select

from sample_app.models import Customer, Order, OrderItem, Product
from sample_app.routes.customers import CustomerId
from sample_app.schemas import FromRow
from sample_app.shop import Shop

Read = Callable[[int], Awaitable["list[Favourite]"]]


def problem(shop: Shop) -> Read:
    """Everybody is let in, and waits for their turn."""
    desk = Desk(shop)

    async def read(customer_id: int) -> list[Favourite]:
        return await desk.answer(customer_id)

    return read


def load_shedding(shop: Shop) -> Read:
    """At most six are inside; the seventh is told at once to come back later."""
    desk = Desk(shop)

    async def read(customer_id: int) -> list[Favourite]:
        if desk.inside >= PLACES:
            raise Busy
        return await desk.answer(customer_id)

    return read


def adaptive_limit(shop: Shop) -> Read:
    """How many are let in follows how long they take: slowly up while all is in time, steeply down when late."""
    desk, limit = Desk(shop), Limit()

    async def read(customer_id: int) -> list[Favourite]:
        if desk.inside >= limit.places:
            raise Busy
        with limit.timed():
            return await desk.answer(customer_id)

    return read


def request_timeout(shop: Shop) -> Read:
    """Everybody is let in, and who has waited for 200 ms is sent away."""
    desk = Desk(shop)

    async def read(customer_id: int) -> list[Favourite]:
        try:
            return await asyncio.wait_for(desk.answer(customer_id), TIMEOUT_S)
        except TimeoutError:
            raise Busy from None

    return read


def reference(shop: Shop) -> Read:
    """Who would wait for longer than half of a client's patience, by what an answer took of late, is sent away."""
    desk = Desk(shop)

    async def read(customer_id: int) -> list[Favourite]:
        if desk.inside * desk.usual_s > PATIENCE_S / 2:
            raise Busy
        return await desk.answer(customer_id)

    return read


VARIANTS = (problem, load_shedding, adaptive_limit, request_timeout, reference)


def routes(serve: Read) -> APIRouter:
    router = APIRouter(tags=["customers"])

    @router.get("/customers/{customer_id}/favourites")
    async def read_favourites(customer_id: CustomerId) -> list[Favourite]:
        """What sold best in the customer's city, best first."""
        try:
            return await serve(customer_id)
        except Busy:
            raise HTTPException(503, "busy, please come back later", {"Retry-After": "1"}) from None

    return router


# What the variants share.

LATEST = 240_001  # the number of the first order that counts
LENGTH = 10
PATIENCE_S = 0.25  # what a client of this page waits for an answer


class Favourite(FromRow):
    product_id: int
    name: str
    sold: int


class Busy(Exception):
    """Refused, so that those who are let in are served in time."""


class Desk:
    """A thread and its queue. Who goes away while in the queue is not worked on any more."""

    FADING = 0.1  # share of the newest answer in the usual time

    def __init__(self, shop: Shop) -> None:
        self.inside = 0
        self.usual_s = 0.0
        self._engine = shop.connect_database(pool_size=1).blocking()
        self._thread = ThreadPoolExecutor(1, "favourites")

    async def answer(self, customer_id: int) -> list[Favourite]:
        self.inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._count, customer_id)
        finally:
            self.inside -= 1

    def _count(self, customer_id: int) -> list[Favourite]:
        with self._engine.connect() as connection:
            begun = time.monotonic()
            rows = connection.execute(_favourites(customer_id)).all()
            self.usual_s += self.FADING * (time.monotonic() - begun - self.usual_s)
        return [Favourite.model_validate(row) for row in rows]


def _favourites(customer_id: int) -> Select[int, str, int]:
    city = select(Customer.city).where(Customer.id == customer_id).scalar_subquery()
    sold = func.sum(OrderItem.quantity).label("sold")
    return (
        select(OrderItem.product_id, Product.name, sold)
        .prefix_with("/* favourites */")
        .join(Order, Order.id == OrderItem.order_id)
        .join(Customer, Customer.id == Order.customer_id)
        .join(Product, Product.id == OrderItem.product_id)
        .where(Order.id >= LATEST, OrderItem.order_id >= LATEST, Customer.city == city)
        .group_by(OrderItem.product_id, Product.name)
        .order_by(sold.desc(), OrderItem.product_id)
        .limit(LENGTH)
    )


# load_shedding

PLACES = 6


# adaptive_limit


class Limit:
    """One place more for each round in time, three tenths fewer for a late answer (as TCP shares a line)."""

    LEAST, MOST = 1.0, 100.0
    LATE_S = PATIENCE_S / 2
    LESS = 0.7

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.places = 4.0
        self._clock = clock
        self._lowered_at = float("-inf")

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Around one answer."""
        begun = self._clock()
        try:
            yield
        finally:
            self._note(begun, self._clock())

    def _note(self, begun: float, ended: float) -> None:
        if ended - begun <= self.LATE_S:
            self.places = min(self.places + 1 / self.places, self.MOST)
        elif begun >= self._lowered_at:  # who was let in before that tells nothing new
            self.places = max(self.places * self.LESS, self.LEAST)
            self._lowered_at = ended


# request_timeout

TIMEOUT_S = 0.2
