"""The best sellers of the season: a ranking that everybody looks at and that is expensive to compute.

It is computed once and kept in the cache for five minutes. What happens at the moment it is gone?
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy import func, select

from sample_app.logs import log
from sample_app.models import Order, OrderItem, Product
from sample_app.schemas import RankedProduct
from sample_app.shop import Shop

KEY = "ranking"
TTL_S = 300

Read = Callable[[], Awaitable[str]]


def problem(shop: Shop) -> Read:
    """Whoever misses computes. Nothing stops a hundred requests that miss together."""

    async def read() -> str:
        ranking = await shop.cache.get(KEY)
        if ranking is None:
            ranking = await _compute_and_keep(shop)
        return ranking

    return read


def single_flight(shop: Shop) -> Read:
    """Within a process one request computes and the others wait for its result."""
    flight = Flight(lambda: _compute_unless_kept(shop))

    async def read() -> str:
        ranking = await shop.cache.get(KEY)
        if ranking is None:
            ranking = await flight.join()
        return ranking

    return read


def distributed_lock(shop: Shop) -> Read:
    """One request of all processes computes; the others look into the cache until the result is there."""

    async def read() -> str:
        ranking = await shop.cache.get(KEY)
        if ranking is None:
            ranking = await _compute_or_wait(shop)
        return ranking

    return read


def stale_while_revalidate(shop: Shop) -> Read:
    """A longer-lived copy is served while one task in the background computes the new ranking."""
    flight = Flight(lambda: _compute_with_copy(shop))

    async def read() -> str:
        ranking = await shop.cache.get(KEY)
        if ranking is None:
            flight.start()
            ranking = await shop.cache.get(COPY_KEY) or await flight.join()
        return ranking

    return read


def early_expiry(shop: Shop) -> Read:
    """Now and then, more often towards the end of its life, a request renews a ranking that is still there.

    It prevents the moment at which an ageing key is gone. A key that is deleted has no last minutes:
    then every request misses, exactly as in ``problem``.
    """

    async def read() -> str:
        ranking = await shop.cache.get(KEY)
        if ranking is None or await _due_early(shop):
            ranking = await _compute_and_time(shop)
        return ranking

    return read


VARIANTS = (problem, single_flight, distributed_lock, stale_while_revalidate, early_expiry)


def routes(serve: Read) -> APIRouter:
    router = APIRouter(tags=["products"])

    @router.get("/products/top", response_model=list[RankedProduct])
    async def top_products() -> Response:
        """The ten best sellers of the season by revenue."""
        return Response(await serve(), media_type="application/json")

    return router


# What the variants share.

# A season is closed: orders that come in now count in the next one, so the answer stays the same.
SEASON = (215_001, 300_000)  # numbers of its first and its last order


async def _compute(shop: Shop) -> str:
    """The ranking as JSON text: one statement over the season's 85,000 orders and their 170,000 lines."""
    revenue = func.sum(OrderItem.quantity * OrderItem.unit_price_cents).label("revenue_cents")
    sold = func.sum(OrderItem.quantity).label("sold")
    best = (
        select(Product.id, Product.name, Product.category, sold, revenue)
        .prefix_with("/* ranking */")
        .join(OrderItem, OrderItem.product_id == Product.id)
        .join(Order, Order.id == OrderItem.order_id)
        .where(Order.id.between(*SEASON), OrderItem.order_id.between(*SEASON), Order.status != "cancelled")
        .group_by(Product.id)
        .order_by(revenue.desc(), Product.id)
        .limit(10)
    )
    async with shop.database.reading() as connection:
        rows = await connection.execute(best)
    return json.dumps([RankedProduct.model_validate(row).model_dump() for row in rows])


async def _compute_and_keep(shop: Shop) -> str:
    ranking = await _compute(shop)
    await shop.cache.set(KEY, ranking, TTL_S)
    return ranking


async def _compute_unless_kept(shop: Shop) -> str:
    """For whoever won the right to compute: another may have ended between this miss and that win."""
    return await shop.cache.get(KEY) or await _compute_and_keep(shop)


# single_flight


class Flight:
    """At most one computation under way. It belongs to nobody: a client that leaves takes only itself away.

    All who join get its result or its error; who comes after its end starts a new one, so an error is
    told to those who waited for it and never kept.
    """

    def __init__(self, compute: Callable[[], Coroutine[Any, Any, str]]) -> None:
        self._compute = compute
        self._task: asyncio.Task[str] | None = None

    def start(self) -> asyncio.Task[str]:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._compute())
            self._task.add_done_callback(_log_failure)
        return self._task

    async def join(self) -> str:
        return await asyncio.shield(self.start())


def _log_failure(task: asyncio.Task[str]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log("shop.ranking").error("ranking not computed", exc_info=error)


# distributed_lock

LOCK_KEY = "ranking:lock"
LOCK_MS = 10_000  # far longer than a computation; ends the lock of a process that died with it
WAIT_S = 1.5
RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


async def _compute_or_wait(shop: Shop) -> str:
    token = uuid.uuid4().hex
    deadline, pause = time.monotonic() + WAIT_S, 0.005
    while time.monotonic() < deadline:
        if await shop.cache.redis.set(LOCK_KEY, token, nx=True, px=LOCK_MS):
            return await _compute_and_release(shop, token)
        await asyncio.sleep(
            pause * random.uniform(0.5, 1)
        )  # apart, so that the waiters do not come back as one
        pause = min(2 * pause, 0.04)
        if (ranking := await shop.cache.get(KEY)) is not None:
            return ranking
    return await _compute_and_keep(shop)


async def _compute_and_release(shop: Shop, token: str) -> str:
    try:
        return await _compute_unless_kept(shop)
    finally:
        # Compare and delete in one step: a lock that ran out may be another's by now.
        await shop.cache.redis.eval(RELEASE, 1, LOCK_KEY, token)


# stale_while_revalidate

COPY_KEY = "ranking:stale"
COPY_TTL_S = 3600


async def _compute_with_copy(shop: Shop) -> str:
    ranking = await _compute_unless_kept(shop)
    await shop.cache.set(COPY_KEY, ranking, COPY_TTL_S)
    return ranking


# early_expiry

TOOK_KEY = "ranking:took"
EAGERNESS = 1.0  # above 1 renews earlier


async def _compute_and_time(shop: Shop) -> str:
    begun = time.monotonic()
    ranking = await _compute_and_keep(shop)
    await shop.cache.set(TOOK_KEY, f"{time.monotonic() - begun:.6f}", TTL_S)
    return ranking


async def _due_early(shop: Shop) -> bool:
    """XFetch: the remaining life is compared with a draw whose scale is the time a computation takes."""
    async with shop.cache.redis.pipeline(transaction=False) as asked:
        asked.pttl(KEY)
        asked.get(TOOK_KEY)
        remaining_ms, took_s = await asked.execute()
    if took_s is None or remaining_ms < 0:
        return False
    ahead_s = -float(took_s) * EAGERNESS * math.log(1 - random.random())
    return ahead_s >= float(remaining_ms) / 1000
