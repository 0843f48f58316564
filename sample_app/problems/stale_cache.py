"""What products cost, alone and in lists, kept in two caches: each process's own, and Redis for all of them.

The copies live for minutes. What becomes of them when a price changes?
"""

from __future__ import annotations

import fnmatch
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple, cast

from fastapi import APIRouter, HTTPException, Path, Response
from pydantic import TypeAdapter
from sqlalchemy import Select, select, update

from sample_app.cache import LocalCache
from sample_app.models import Product
from sample_app.schemas import NewPrice, Offer
from sample_app.shop import Shop

TTL_S, LOCAL_TTL_S = 300, 30
LISTED = 10

ProductId = Annotated[int, Path(ge=1, le=2**31 - 1)]


class Found(NamedTuple):
    """An answer as JSON text, and the products that it shows."""

    text: str
    products: Sequence[int]


Load = Callable[[], Awaitable[Found | None]]


@dataclass(frozen=True)
class Offers:
    """How an answer is read under its key, and what is done once a product's new price is committed."""

    shop: Shop
    read: Callable[[str, Load], Awaitable[str | None]]
    changed: Callable[[int], Awaitable[None]]


def problem(shop: Shop) -> Offers:
    """Nobody tells the caches: a new price shows when the copies have run out."""
    copies = Copies(shop)

    async def changed(_product_id: int) -> None:
        """Nothing."""

    return Offers(shop, copies.read, changed)


def invalidate_on_write(shop: Shop) -> Offers:
    """Whoever writes deletes the product's copy and all lists, in Redis and in its own process."""
    copies = Copies(shop)

    async def changed(product_id: int) -> None:
        await copies.delete([_key(product_id)])
        await copies.delete_pattern(f"{LISTS}*")

    return Offers(shop, copies.read, changed)


def versioned_keys(shop: Shop) -> Offers:
    """Each key carries a number that a write raises, in Redis: nobody asks for an old copy any more."""
    copies = Copies(shop)

    async def read(key: str, load: Load) -> str | None:
        number = await shop.cache.get(_number_of(key)) or 0
        return await copies.read(f"{key}:v{number}", load)

    async def changed(product_id: int) -> None:
        async with shop.cache.redis.pipeline() as asked:
            asked.incr(_number_of(_key(product_id)))
            asked.incr(_number_of(LISTS))
            await asked.execute()

    return Offers(shop, read, changed)


def tag_invalidation(shop: Shop) -> Offers:
    """Redis keeps under each product's tag which copies show it; whoever writes deletes those."""
    copies = Copies(shop)

    async def kept(key: str, found: Found) -> None:
        await copies.keep(key, found)
        async with shop.cache.redis.pipeline() as asked:
            for product_id in found.products:
                asked.sadd(_tag(product_id), key)
            await asked.execute()

    async def read(key: str, load: Load) -> str | None:
        return await copies.read(key, load, kept)

    async def changed(product_id: int) -> None:
        tag = _tag(product_id)
        keys = cast(set[str], await shop.cache.redis.smembers(tag))  # the clients decode
        await copies.delete([*keys, tag])

    return Offers(shop, read, changed)


VARIANTS = (problem, invalidate_on_write, versioned_keys, tag_invalidation)


def routes(serve: Offers) -> APIRouter:
    router = APIRouter(tags=["offers"])

    @router.get("/offers/{product_id}", response_model=Offer)
    async def read_offer(product_id: ProductId) -> Response:
        """What one product costs."""
        return _answer(await serve.read(_key(product_id), lambda: _load(serve.shop, product_id)))

    @router.get("/offers/{product_id}/following", response_model=list[Offer])
    async def list_offers(product_id: ProductId) -> Response:
        """The same of ten products, from this one on."""
        return _answer(await serve.read(f"{LISTS}{product_id}", lambda: _load_list(serve.shop, product_id)))

    @router.put("/offers/{product_id}/price")
    async def change_price(product_id: ProductId, price: NewPrice) -> Offer:
        """Another price, as of now. The answer shows it."""
        offer = await _store(serve.shop, product_id, price.price_cents)
        await serve.changed(product_id)
        return offer

    return router


# What the variants share.

LISTS = "products:list:"
_OFFERS = TypeAdapter(list[Offer])


def _key(product_id: int) -> str:
    return f"products:offer:{product_id}"


def _answer(text: str | None) -> Response:
    if text is None:
        raise HTTPException(404, "no such product")
    return Response(text, media_type="application/json")


class Copies:
    """Two caches, one behind the other: this process's own, then Redis."""

    def __init__(self, shop: Shop) -> None:
        self._redis = shop.cache
        self._local: LocalCache[str] = LocalCache(1000, LOCAL_TTL_S, shop.reads)

    async def read(
        self, key: str, load: Load, keep: Callable[[str, Found], Awaitable[None]] | None = None
    ) -> str | None:
        """The nearest copy; else what ``load`` gives, which is kept. None where there is no such thing."""
        text = self._local.get(key)
        if text is None and (text := await self._redis.get(key)) is not None:
            self._local.set(key, text)
        if text is None and (found := await load()) is not None:
            await (keep or self.keep)(key, found)
            text = found.text
        return text

    async def keep(self, key: str, found: Found) -> None:
        self._local.set(key, found.text)
        await self._redis.set(key, found.text, TTL_S)

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._local.forget(key)
        if keys:
            await self._redis.redis.delete(*keys)

    async def delete_pattern(self, pattern: str) -> None:
        """SCAN walks through all keys of the server, a few at a time: it does not stop it as KEYS would."""
        found = [key async for key in self._redis.redis.scan_iter(match=pattern, count=500)]
        own = fnmatch.filter(map(str, self._local.held()), pattern)
        await self.delete([*found, *own])


def _offers() -> Select[int, str, int, int]:
    return select(Product.id, Product.name, Product.price_cents, Product.revision)


async def _load(shop: Shop, product_id: int) -> Found | None:
    one = _offers().prefix_with("/* offer */").where(Product.id == product_id)
    async with shop.database.reading() as connection:
        row = (await connection.execute(one)).one_or_none()
    return None if row is None else Found(Offer.model_validate(row).model_dump_json(), [row.id])


async def _load_list(shop: Shop, first: int) -> Found:
    several = _offers().prefix_with("/* offers */").where(Product.id >= first)
    async with shop.database.reading() as connection:
        rows = (await connection.execute(several.order_by(Product.id).limit(LISTED))).all()
    text = _OFFERS.dump_json([Offer.model_validate(row) for row in rows]).decode()
    return Found(text, [row.id for row in rows])


async def _store(shop: Shop, product_id: int, price_cents: int) -> Offer:
    """The offer with its new price, committed. Raises HTTPException where there is no such product."""
    changed = (
        update(Product)
        .prefix_with("/* price */")
        .where(Product.id == product_id)
        .values(price_cents=price_cents, revision=Product.revision + 1)
        .returning(Product.id, Product.name, Product.price_cents, Product.revision)
    )
    async with shop.database.writing() as connection:
        row = (await connection.execute(changed)).one_or_none()
    if row is None:
        raise HTTPException(404, "no such product")
    return Offer.model_validate(row)


# versioned_keys


def _number_of(key: str) -> str:
    """Lists share one: any product may stand in any of them."""
    return f"revision:{LISTS if key.startswith(LISTS) else key}"


# tag_invalidation


def _tag(product_id: int) -> str:
    return f"tag:product:{product_id}"
