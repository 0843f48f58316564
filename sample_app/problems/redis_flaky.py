"""A customer at a glance, with the latest orders: read from the cache, filled from the database.

The network between app and cache drops a connection now and then. Whose trouble is that?
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from fastapi import APIRouter, HTTPException, Response
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from sqlalchemy import select

from sample_app.models import Customer, Order
from sample_app.resilience import ResilientCache
from sample_app.routes.customers import CustomerId
from sample_app.schemas import FromRow, OrderLine
from sample_app.shop import BlockingConnectionPool, Shop

TTL_S = 300

Read = Callable[[int], Awaitable[str | None]]


class Overview(FromRow):
    id: int
    name: str
    city: str
    latest: Sequence[OrderLine]


def problem(shop: Shop) -> Read:
    """A connection that breaks while the cache is asked breaks the page."""
    cache = shop.cache

    async def read(customer_id: int) -> str | None:
        page = await cache.get(_key(customer_id))
        if page is None and (page := await _load(shop, customer_id)) is not None:
            await cache.set(_key(customer_id), page, TTL_S)
        return page

    return read


def retry_with_fallback(shop: Shop) -> Read:
    """The first connection is tried three times; after that an error of the cache means the database."""
    cache = ResilientCache(
        lambda: shop.connect_cache(BlockingConnectionPool, max_connections=20, timeout=None)
    )

    async def read(customer_id: int) -> str | None:
        page = await cache.get(_key(customer_id))
        if page is None and (page := await _load(shop, customer_id)) is not None:
            await cache.set(_key(customer_id), page, TTL_S)
        return page

    return read


def retry_at_once(shop: Shop) -> Read:
    """A call that fails is made once more, over a new connection."""
    cache = shop.connect_cache(retry=Retry(NoBackoff(), retries=1))

    async def read(customer_id: int) -> str | None:
        page = await cache.get(_key(customer_id))
        if page is None and (page := await _load(shop, customer_id)) is not None:
            await cache.set(_key(customer_id), page, TTL_S)
        return page

    return read


VARIANTS = (problem, retry_with_fallback, retry_at_once)


def routes(serve: Read) -> APIRouter:
    router = APIRouter(tags=["customers"])

    @router.get("/customers/{customer_id}/overview", response_model=Overview)
    async def read_overview(customer_id: CustomerId) -> Response:
        """One customer with the latest five orders."""
        page = await serve(customer_id)
        if page is None:
            raise HTTPException(404, "no such customer")
        return Response(page, media_type="application/json")

    return router


# What the variants share.


def _key(customer_id: int) -> str:
    return f"customer:{customer_id}:overview"


async def _load(shop: Shop, customer_id: int) -> str | None:
    """The page as JSON text, straight from the database; None where there is no such customer."""
    one = select(Customer.id, Customer.name, Customer.city).where(Customer.id == customer_id)
    latest = (
        select(Order.id, Order.status, Order.total_cents, Order.created_at)
        .prefix_with("/* overview_orders */")
        .where(Order.customer_id == customer_id)
        .order_by(Order.created_at.desc())
        .limit(5)
    )
    async with shop.database.reading() as connection:
        row = (await connection.execute(one.prefix_with("/* overview */"))).mappings().one_or_none()
        if row is None:
            return None
        orders = [OrderLine.model_validate(order) for order in await connection.execute(latest)]
    return Overview(**row, latest=orders).model_dump_json()
