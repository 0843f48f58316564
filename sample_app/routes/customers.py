"""A customer's page and the list of what they ordered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path
from sqlalchemy import select

from sample_app.models import Customer, Order
from sample_app.schemas import CustomerPage, OrderLine
from sample_app.shop import TheShop

router = APIRouter(prefix="/customers", tags=["customers"])

CustomerId = Annotated[int, Path(ge=1, le=2**31 - 1)]
ARCHIVED_BEFORE = datetime(2024, 2, 1, tzinfo=UTC)


@router.get("/{customer_id}")
async def read_customer(shop: TheShop, customer_id: CustomerId) -> CustomerPage:
    """One customer."""
    columns = (Customer.id, Customer.name, Customer.email, Customer.city, Customer.created_at)
    one = select(*columns).prefix_with("/* customer */").where(Customer.id == customer_id)
    async with shop.database.reading() as connection:
        row = (await connection.execute(one)).one_or_none()
    if row is None:
        raise HTTPException(404, "no such customer")
    return CustomerPage.model_validate(row)


@router.get("/{customer_id}/orders")
async def list_orders(
    shop: TheShop, customer_id: CustomerId, since: datetime = ARCHIVED_BEFORE
) -> list[OrderLine]:
    """The customer's latest twenty orders since a moment."""
    latest = (
        select(Order.id, Order.status, Order.total_cents, Order.created_at)
        .prefix_with("/* customer_orders */")
        .where(Order.customer_id == customer_id, Order.created_at > since)
        .order_by(Order.created_at.desc())
        .limit(20)
    )
    async with shop.database.reading() as connection:
        rows = await connection.execute(latest)
    return [OrderLine.model_validate(row) for row in rows]
