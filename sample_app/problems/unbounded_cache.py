"""What a visitor might like: thirty products with their descriptions, some 20 KB, put together once a visitor.

A visitor is known by a cookie. Who brings none is a guest and gets one; crawlers never bring it back.

The page is kept in the memory of the process. For how long, and how many of them?
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Annotated
from uuid import uuid4
from zlib import crc32

from cachetools import LRUCache, TTLCache
from fastapi import APIRouter, Cookie, Response
from pydantic import TypeAdapter
from sqlalchemy import select

from sample_app.models import Product
from sample_app.schemas import ProductPage
from sample_app.shop import Shop

MOST_PAGES = 1000  # of about 20 KB each

Read = Callable[[str], Awaitable[str]]


def problem(shop: Shop) -> Read:
    """A dict keeps the page of everybody who was ever here."""
    pages: dict[str, str] = {}

    async def read(visitor: str) -> str:
        return await _kept(shop, pages, visitor)

    return read


def lru_cache(shop: Shop) -> Read:
    """The thousand pages that were asked last are kept; the next one takes the place of the oldest.

    It is the LRU cache of cachetools: ``functools.lru_cache`` around a coroutine function would keep the
    coroutine, which can be awaited once.
    """
    pages: LRUCache[str, str] = LRUCache(MOST_PAGES)

    async def read(visitor: str) -> str:
        return await _kept(shop, pages, visitor)

    return read


def ttl_cache(shop: Shop) -> Read:
    """A page is kept for five minutes, and no more than a thousand of them."""
    pages: TTLCache[str, str] = TTLCache(MOST_PAGES, ttl=300)

    async def read(visitor: str) -> str:
        return await _kept(shop, pages, visitor)

    return read


VARIANTS = (problem, lru_cache, ttl_cache)


def routes(serve: Read) -> APIRouter:
    router = APIRouter(tags=["visitors"])

    @router.get("/suggestions", response_model=list[ProductPage])
    async def suggest(visitor: Annotated[str | None, Cookie()] = None) -> Response:
        """Thirty products for a visitor."""
        known = visitor or f"guest-{uuid4().hex}"
        page = Response(await serve(known), media_type="application/json")
        page.set_cookie("visitor", known, httponly=True, samesite="lax")
        return page

    return router


# What the variants share.

SUGGESTED, STEP, PRODUCTS = 30, 61, 2000
_PAGES = TypeAdapter(list[ProductPage])


async def _kept(shop: Shop, pages: MutableMapping[str, str], visitor: str) -> str:
    page = pages.get(visitor)
    if page is None:
        page = pages[visitor] = await _page(shop, visitor)
    return page


async def _page(shop: Shop, visitor: str) -> str:
    """The page as JSON text: a customer's own, and one and the same for guests."""
    first = crc32(visitor.encode()) if visitor.isdecimal() else 0
    wanted = [1 + (first + STEP * place) % PRODUCTS for place in range(SUGGESTED)]
    columns = (Product.id, Product.sku, Product.name, Product.category, Product.price_cents)
    chosen = select(*columns, Product.description, Product.stock).prefix_with("/* suggestions */")
    async with shop.database.reading() as connection:
        rows = await connection.execute(chosen.where(Product.id.in_(wanted)).order_by(Product.id))
    return _PAGES.dump_json(_PAGES.validate_python(rows.all(), from_attributes=True)).decode()
