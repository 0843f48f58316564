"""The shelves of the shop's front page: twenty products each, with their descriptions.

An editor publishes all hundred of them at once, as one document in Redis. How much of it does a visitor need?
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from cachetools import TTLCache
from fastapi import APIRouter, HTTPException
from sqlalchemy import select

from sample_app.models import Product
from sample_app.shop import Shop

Shelf = list[dict[str, Any]]
Read = Callable[[int], Awaitable[Shelf | None]]


def problem(shop: Shop) -> Read:
    """The whole document is fetched and parsed for the one shelf of it that is shown."""

    async def read(number: int) -> Shelf | None:
        return (await _document(shop, KEY)).get(str(number))

    return read


def local_cache(shop: Shop) -> Read:
    """Each process keeps the parsed document for a second."""
    copy: TTLCache[str, Document] = TTLCache(1, LOCAL_TTL_S)
    fetching = asyncio.Lock()

    async def read(number: int) -> Shelf | None:
        async with fetching:  # one fetches, the others wait for it
            document = copy.get(KEY)
            if document is None:
                document = copy[KEY] = await _document(shop, KEY)
        return document.get(str(number))

    return read


def smaller_value(shop: Shop) -> Read:
    """Each shelf has a key of its own."""

    async def read(number: int) -> Shelf | None:
        text = await shop.cache.get(f"{KEY}:{number}")
        if text is None:
            shelf = (await _published(shop)).get(str(number))
            await shop.cache.set(f"{KEY}:{number}", text := json.dumps(shelf), TTL_S)
        return cast("Shelf | None", json.loads(text))

    return read


def replicated_key(shop: Shop) -> Read:
    """Four copies under four names, which a cluster would spread over its servers; each visitor takes one."""

    async def read(number: int) -> Shelf | None:
        return (await _document(shop, f"{KEY}:copy:{random.randrange(COPIES)}")).get(str(number))

    return read


def reference(shop: Shop) -> Read:
    """The document is a hash, of which a field is a shelf."""
    redis = shop.cache.redis

    async def read(number: int) -> Shelf | None:
        text = cast(str | None, await redis.hget(HASH, str(number)))
        if text is None and not await redis.exists(HASH):
            fields: Mapping[Any, str] = {
                name: json.dumps(shelf) for name, shelf in (await _published(shop)).items()
            }
            await redis.hset(HASH, mapping=fields)
            await redis.expire(HASH, TTL_S)
            text = fields.get(str(number))
        return None if text is None else cast(Shelf, json.loads(text))

    return read


VARIANTS = (problem, local_cache, smaller_value, replicated_key, reference)


def routes(serve: Read) -> APIRouter:
    router = APIRouter(tags=["products"])

    @router.get("/shelves/{number:int}")
    async def read_shelf(number: int) -> Shelf:
        """The products on one shelf of the front page."""
        shelf = await serve(number)
        if shelf is None:
            raise HTTPException(404, "no such shelf")
        return shelf

    return router


# What the variants share.

KEY, HASH = "storefront", "storefront:shelves"
TTL_S = 300
LENGTH = 20

Document = Mapping[str, Shelf]


async def _document(shop: Shop, key: str) -> Document:
    """From Redis; where it is not there, it is published anew."""
    text = await shop.cache.get(key)
    if text is not None:
        return cast(Document, json.loads(text))
    document = await _published(shop)
    await shop.cache.set(key, json.dumps(document), TTL_S)
    return document


async def _published(shop: Shop) -> Document:
    """All shelves by their numbers, from 1."""
    columns = (
        Product.id,
        Product.sku,
        Product.name,
        Product.category,
        Product.price_cents,
        Product.description,
    )
    products = select(*columns).prefix_with("/* storefront */").order_by(Product.id)
    async with shop.database.reading() as connection:
        rows = [dict(row) for row in (await connection.execute(products)).mappings()]
    starts = range(0, len(rows), LENGTH)
    return {str(number): rows[start : start + LENGTH] for number, start in enumerate(starts, 1)}


# local_cache

LOCAL_TTL_S = 1.0


# replicated_key

COPIES = 4
