"""Browsing the catalogue. The ranking and the product page have modules of their own."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import func, select

from sample_app.models import Product, Review
from sample_app.schemas import ProductLine, ProductList, ReviewLine
from sample_app.shop import Shop, TheShop

router = APIRouter(prefix="/products", tags=["products"])

_LINE = (Product.id, Product.sku, Product.name, Product.category, Product.price_cents)


@router.get("")
async def list_products(
    shop: TheShop,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> ProductList:
    """A page of the catalogue, in the order of the product numbers."""
    page = select(*_LINE).prefix_with("/* products */").order_by(Product.id).limit(limit).offset(offset)
    async with shop.database.reading() as connection:
        rows = await connection.execute(page)
    lines = [ProductLine.model_validate(row) for row in rows]
    return ProductList(total=await _count(shop), products=lines)


async def _count(shop: Shop) -> int:
    """How many products there are; it hardly ever changes, so each process remembers it for a while."""
    total = shop.local.get("products")
    if total is None:
        async with shop.database.reading() as connection:
            counted = select(func.count()).select_from(Product).prefix_with("/* products_count */")
            total = (await connection.execute(counted)).scalar_one()
        shop.local.set("products", total)
    return total


@router.get("/{product_id:int}/reviews")
async def list_reviews(shop: TheShop, product_id: int) -> list[ReviewLine]:
    """The newest twenty reviews of a product."""
    newest = (
        select(Review.id, Review.customer_id, Review.rating, Review.body, Review.created_at)
        .prefix_with("/* reviews */")
        .where(Review.product_id == product_id)
        .order_by(Review.created_at.desc(), Review.id.desc())
        .limit(20)
    )
    async with shop.database.reading() as connection:
        rows = await connection.execute(newest)
    return [ReviewLine.model_validate(row) for row in rows]
