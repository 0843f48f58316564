"""A customer's bonus points and place among all customers of the season: a sum over 20,000 orders.

It is computed by threads, over the one connection that the database can spare for it. Clients do not wait
for long and ask again. Who works on the questions that nobody waits for any more?
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from cachetools import TTLCache
from fastapi import APIRouter, HTTPException
from redis import Redis
from sqlalchemy import Select, func, select

from sample_app.models import Order
from sample_app.routes.customers import CustomerId
from sample_app.schemas import FromRow
from sample_app.shop import Shop

Read = Callable[[int], Awaitable["Bonus"]]


def problem(shop: Shop) -> Read:
    """Every question is worked on to the end, however old it is, and however often it has been asked."""
    desk = Desk(shop)

    async def read(customer_id: int) -> Bonus:
        return await desk.answer(customer_id)

    return read


def retry_budget(shop: Shop) -> Read:
    """Who asks again for the same customer is refused, unless repeats are few beside new questions."""
    desk, budget = Desk(shop), RetryBudget()

    async def read(customer_id: int) -> Bonus:
        if not budget.allows(customer_id):
            raise Busy
        return await desk.answer(customer_id)

    return read


def shed_late_work(shop: Shop) -> Read:
    """A question that has waited for half a client's patience is refused when its turn comes."""
    desk = Desk(shop)

    async def read(customer_id: int) -> Bonus:
        return await desk.answer(customer_id, begin_by=time.monotonic() + PATIENCE_S / 2)

    return read


def circuit_breaker(shop: Shop) -> Read:
    """After five late answers in a row everybody is refused for 300 ms; then one question tries."""
    desk, breaker = Desk(shop), Breaker()

    async def read(customer_id: int) -> Bonus:
        return await breaker.guarded(lambda: desk.answer(customer_id))

    return read


VARIANTS = (problem, retry_budget, shed_late_work, circuit_breaker)


def routes(serve: Read) -> APIRouter:
    router = APIRouter(tags=["customers"])

    @router.get("/customers/{customer_id}/bonus")
    async def read_bonus(customer_id: CustomerId) -> Bonus:
        """The customer's bonus points of the season, and their place among all customers."""
        try:
            return await serve(customer_id)
        except Busy:
            raise HTTPException(503, "busy, please come back later", {"Retry-After": "1"}) from None

    return router


# What the variants share.

SEASON = (280_001, 300_000)  # numbers of its first and its last order; it is closed
RATE_KEY = "bonus:points_per_euro"
THREADS = 40  # as many as FastAPI has for handlers that block
PATIENCE_S = 0.08  # what a client of this page waits for an answer before it asks again


class Bonus(FromRow):
    """No place: the customer bought nothing in the season."""

    customer_id: int
    points: int
    place: int | None


class Busy(Exception):
    """Refused, so that those who are let in are served in time."""


class Desk:
    """Threads that share a connection. What one has begun is not undone when the client goes away."""

    def __init__(self, shop: Shop) -> None:
        self._engine = shop.connect_database(pool_size=1).blocking()
        self._redis = Redis.from_url(shop.settings.redis_url, decode_responses=True)
        self._threads = ThreadPoolExecutor(THREADS, "bonus")

    async def answer(self, customer_id: int, begin_by: float | None = None) -> Bonus:
        """Raises :class:`Busy` where work cannot begin by ``begin_by``, on the monotonic clock."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._compute, customer_id, begin_by)

    def _compute(self, customer_id: int, begin_by: float | None) -> Bonus:
        points_per_euro = int(cast(str | None, self._redis.get(RATE_KEY)) or 1)
        with self._engine.connect() as connection:
            if begin_by is not None and time.monotonic() > begin_by:
                raise Busy
            row = connection.execute(_place(customer_id)).one_or_none()
        if row is None:
            return Bonus(customer_id=customer_id, points=0, place=None)
        return Bonus(customer_id=customer_id, points=row.cents * points_per_euro // 100, place=row.place)


def _place(customer_id: int) -> Select[Any, Any]:
    cents = func.sum(Order.total_cents)
    place = func.rank().over(order_by=cents.desc()).label("place")
    ranked = (
        select(Order.customer_id, cents.label("cents"), place)
        .where(Order.id.between(*SEASON), Order.status != "cancelled")
        .group_by(Order.customer_id)
        .subquery()
    )
    one = select(ranked.c.cents, ranked.c.place).prefix_with("/* bonus */")
    return one.where(ranked.c.customer_id == customer_id)


# retry_budget


class RetryBudget:
    """Each new question pays for a tenth of a repeat; no more than ``SAVED`` repeats can be saved up."""

    SHARE, SAVED = 0.1, 5.0
    REMEMBERED_S = 1.0  # the same customer within this time is taken for a repeat
    CUSTOMERS = 10_000

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._asked: TTLCache[int, bool] = TTLCache(self.CUSTOMERS, self.REMEMBERED_S, clock)
        self._left = self.SAVED

    def allows(self, customer_id: int) -> bool:
        if customer_id not in self._asked:
            self._asked[customer_id] = True
            self._left = min(self._left + self.SHARE, self.SAVED)
            return True
        if self._left < 1:
            return False
        self._left -= 1
        return True


# circuit_breaker


class Breaker:
    """Closed, it lets everybody in; open, nobody; in between, a single question that decides."""

    FAILURES = 5
    LATE_S = 0.75 * PATIENCE_S  # a little before the clients give up, or their going away would hide it
    OPEN_S = 0.3

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._open_to = 0.0

    async def guarded(self, ask: Callable[[], Awaitable[Bonus]]) -> Bonus:
        """Raises :class:`Busy` while it is open."""
        if not self._lets_in():
            raise Busy
        asked, opened_to = self._clock(), self._open_to
        answered = False
        try:
            answer = await ask()
            answered = True
        finally:
            if opened_to == self._open_to:  # who was let in before it opened knows nothing new
                self._note(answered and self._clock() - asked <= self.LATE_S)
        return answer

    def _lets_in(self) -> bool:
        if self._failures < self.FAILURES:
            return True
        if self._clock() < self._open_to:
            return False
        self._open_to = self._clock() + self.OPEN_S  # the others wait for what this one meets
        return True

    def _note(self, good: bool) -> None:
        if good:
            self._failures = 0
            return
        self._failures += 1
        if self._failures >= self.FAILURES:
            self._open_to = self._clock() + self.OPEN_S
