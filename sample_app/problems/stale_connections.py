"""How a category of products is rated: one query of a few milliseconds through a pool of open connections.

A pool keeps connections open so that nobody waits for a new one. Who notices that the server has closed them?
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from fastapi import APIRouter
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from sample_app.database import Database
from sample_app.models import Product, Review
from sample_app.schemas import FromRow
from sample_app.shop import Shop

Read = Callable[[int], Awaitable[Sequence["Stars"]]]


class Stars(FromRow):
    rating: int
    reviews: int


def problem(shop: Shop) -> Read:
    """The pool takes a connection for good until a query on it fails; that query is lost."""
    database = shop.connect_database(POOL_SIZE)

    async def read(product_id: int) -> Sequence[Stars]:
        return await _ratings(database, product_id)

    return read


def pre_ping(shop: Shop) -> Read:
    """The pool tries each connection before it hands it out, and replaces one that is dead."""
    database = shop.connect_database(POOL_SIZE, pool_pre_ping=True)

    async def read(product_id: int) -> Sequence[Stars]:
        return await _ratings(database, product_id)

    return read


def max_lifetime_and_retry(shop: Shop) -> Read:
    """A connection is replaced after five minutes; a query that loses its connection is asked once more."""
    database = shop.connect_database(POOL_SIZE, pool_recycle=LIFETIME_S)

    async def read(product_id: int) -> Sequence[Stars]:
        try:
            return await _ratings(database, product_id)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            return await _ratings(database, product_id)  # it only reads: asking twice does no harm

    return read


VARIANTS = (problem, pre_ping, max_lifetime_and_retry)


def routes(serve: Read) -> APIRouter:
    router = APIRouter(tags=["products"])

    @router.get("/products/{product_id:int}/ratings")
    async def read_ratings(product_id: int) -> Sequence[Stars]:
        """How many reviews of the product's category give how many stars."""
        return await serve(product_id)

    return router


# What the variants share.

POOL_SIZE = 10
LIFETIME_S = 300


async def _ratings(database: Database, product_id: int) -> Sequence[Stars]:
    category = select(Product.category).where(Product.id == product_id).scalar_subquery()
    spread = (
        select(Review.rating, func.count().label("reviews"))
        .prefix_with("/* ratings */")
        .join(Product, Product.id == Review.product_id)
        .where(Product.category == category)
        .group_by(Review.rating)
        .order_by(Review.rating)
    )
    async with database.reading() as connection:
        rows = await connection.execute(spread)
    return [Stars.model_validate(row) for row in rows]
