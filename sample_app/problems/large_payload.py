"""The catalogue for clients: a list of products, of which a screen shows twenty names and prices.

Clients say which page and which columns they want. Does the answer depend on it?
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Select, select

from sample_app.models import Product
from sample_app.shop import Shop


@dataclass(frozen=True)
class Wanted:
    """What a client asks for: ``fields`` empty means all columns."""

    page: int
    size: int
    fields: frozenset[str]
    gzip: bool


Read = Callable[[Wanted], Awaitable[Response]]


def problem(shop: Shop) -> Read:
    """All products with all columns, whatever was asked for: it was written when there were forty of them."""

    async def read(_wanted: Wanted) -> Response:
        return JSONResponse(await _rows(shop, _products(COLUMNS)))

    return read


def pagination(shop: Shop) -> Read:
    """The page that was asked for, so that the answer stays the same size however many products there are."""

    async def read(wanted: Wanted) -> Response:
        return JSONResponse(await _rows(shop, _page(_products(COLUMNS), wanted)))

    return read


def field_filtering(shop: Shop) -> Read:
    """Only the columns that were asked for leave the database."""

    async def read(wanted: Wanted) -> Response:
        return JSONResponse(await _rows(shop, _products(_chosen(wanted))))

    return read


def compression(shop: Shop) -> Read:
    """All of it, packed for clients that can unpack it, in a thread so that other requests go on."""

    async def read(wanted: Wanted) -> Response:
        answer = JSONResponse(await _rows(shop, _products(COLUMNS)))
        return await _packed(answer) if wanted.gzip else answer

    return read


def reference(shop: Shop) -> Read:
    """What was asked for and nothing else: these columns of this page."""

    async def read(wanted: Wanted) -> Response:
        return JSONResponse(await _rows(shop, _page(_products(_chosen(wanted)), wanted)))

    return read


VARIANTS = (problem, pagination, field_filtering, compression, reference)


def same(body: bytes) -> object:
    """Of the answers to one request, what no variant may change: to leave something out is what they are for.

    A screen shows the first twenty products with these three columns.
    """
    return [
        {name: product[name] for name in ("id", "name", "price_cents")} for product in json.loads(body)[:20]
    ]


def routes(serve: Read) -> APIRouter:
    router = APIRouter(tags=["products"])

    @router.get("/catalogue", response_model=list[dict[str, Any]])
    async def catalogue(
        page: Annotated[int, Query(ge=1, le=10_000)] = 1,
        size: Annotated[int, Query(ge=1, le=100)] = 20,
        fields: Annotated[str, Query(description="names of columns, with commas", max_length=200)] = "",
        accept_encoding: Annotated[str, Header()] = "",
    ) -> Response:
        """The products of the shop, in the order of their numbers."""
        columns = frozenset(fields.split(",")) & COLUMNS.keys()
        return await serve(Wanted(page, size, columns, "gzip" in accept_encoding))

    return router


# What the variants share.

COLUMNS = {
    column.key: column
    for column in (
        Product.id,
        Product.sku,
        Product.name,
        Product.category,
        Product.price_cents,
        Product.stock,
        Product.description,
    )
}
Columns = dict[str, Any]


def _products(columns: Columns) -> Select[Any]:
    return select(*columns.values()).prefix_with("/* catalogue */").order_by(Product.id)


def _page(products: Select[Any], wanted: Wanted) -> Select[Any]:
    return products.limit(wanted.size).offset((wanted.page - 1) * wanted.size)


def _chosen(wanted: Wanted) -> Columns:
    return {name: column for name, column in COLUMNS.items() if name in wanted.fields} or COLUMNS


async def _rows(shop: Shop, products: Select[Any]) -> list[dict[str, Any]]:
    async with shop.database.reading() as connection:
        return [dict(row) for row in (await connection.execute(products)).mappings()]


# compression


async def _packed(answer: Response) -> Response:
    body = await asyncio.to_thread(gzip.compress, bytes(answer.body), compresslevel=6)
    headers = {"content-encoding": "gzip", "vary": "Accept-Encoding"}
    return Response(body, media_type=answer.media_type, headers=headers)
