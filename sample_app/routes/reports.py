"""For those who buy and sell: lists that take a while, because they are made of many rows."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Response
from sqlalchemy import select

from sample_app.models import Order, Product
from sample_app.schemas import ProductLine
from sample_app.shop import TheShop

router = APIRouter(prefix="/reports", tags=["reports"])

ALIKE = 10
_WORD = re.compile(r"\w+")
Words = Counter[str]


@router.get("/alike/{product_id}")
async def list_alike(
    shop: TheShop, product_id: Annotated[int, Path(ge=1, le=2**31 - 1)]
) -> list[ProductLine]:
    """The ten products whose descriptions are most like that of this one."""
    all_of_them = select(Product).prefix_with("/* alike */").order_by(Product.id)
    async with shop.database.reading() as connection:
        rows = (await connection.execute(all_of_them)).all()
    wanted = next((row for row in rows if row.id == product_id), None)
    if wanted is None:
        raise HTTPException(404, "no such product")
    return [ProductLine.model_validate(row) for row in _most_alike(wanted, rows)]


def _most_alike(wanted: Any, rows: Sequence[Any]) -> list[Any]:
    """By the angle between the counts of their words."""
    words = _words(wanted.description)
    others = [(_cosine(words, _words(row.description)), row) for row in rows if row.id != wanted.id]
    others.sort(key=lambda one: (-one[0], one[1].id))
    return [row for _, row in others[:ALIKE]]


def _words(text: str) -> Words:
    return Counter(_WORD.findall(text.lower()))


def _cosine(one: Words, other: Words) -> float:
    product = sum(count * other[word] for word, count in one.items())
    lengths = math.hypot(*one.values()) * math.hypot(*other.values())
    return product / lengths if lengths else 0.0


@router.get("/orders.csv")
async def export_orders(
    shop: TheShop,
    first: Annotated[int, Query(ge=1, le=2**63 - 1)] = 1,
    count: Annotated[int, Query(ge=1, le=50_000)] = 1000,
) -> Response:
    """So many orders from a number on, for a spreadsheet."""
    columns = (Order.id, Order.customer_id, Order.status, Order.total_cents, Order.created_at)
    span = select(*columns).prefix_with("/* orders_export */").where(Order.id >= first)
    async with shop.database.reading() as connection:
        rows = (await connection.execute(span.order_by(Order.id).limit(count))).all()
    sheet = io.StringIO()
    writer = csv.writer(sheet)
    writer.writerow([column.key for column in columns])
    writer.writerows(rows)
    return Response(sheet.getvalue(), media_type="text/csv")
