"""What the shop answers and accepts, as JSON."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class FromRow(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ProductLine(FromRow):
    id: int
    sku: str
    name: str
    category: str
    price_cents: int


class ProductList(BaseModel):
    total: int
    products: list[ProductLine]


class ProductPage(ProductLine):
    description: str
    stock: int


class Offer(FromRow):
    """What a product costs; each new price has the next revision."""

    id: int
    name: str
    price_cents: int
    revision: int


class NewPrice(BaseModel):
    price_cents: int = Field(ge=1, le=10_000_000)


class MonthOfSales(FromRow):
    month: str
    sold: int
    revenue_cents: int


class RankedProduct(FromRow):
    id: int
    name: str
    category: str
    sold: int
    revenue_cents: int


class CategorySales(FromRow):
    category: str
    sold: int
    revenue_cents: int


class ReviewLine(FromRow):
    id: int
    customer_id: int
    rating: int
    body: str
    created_at: datetime


class CustomerPage(FromRow):
    id: int
    name: str
    email: str
    city: str
    created_at: datetime


class OrderLine(FromRow):
    id: int
    status: str
    total_cents: int
    created_at: datetime


class ItemLine(FromRow):
    line: int
    product_id: int
    quantity: int
    unit_price_cents: int


class OrderPage(OrderLine):
    customer_id: int
    items: list[ItemLine]


class InvoiceLine(FromRow):
    name: str
    quantity: int
    unit_price_cents: int


class Invoice(BaseModel):
    id: int
    name: str
    city: str
    total_cents: int
    created_at: datetime
    lines: list[InvoiceLine]


class WantedItem(BaseModel):
    product_id: int = Field(ge=1, le=2**31 - 1)
    quantity: int = Field(ge=1, le=100)


class NewOrder(BaseModel):
    customer_id: int = Field(ge=1, le=2**31 - 1)
    items: list[WantedItem] = Field(min_length=1, max_length=50)


class PlacedOrder(BaseModel):
    id: int
    total_cents: int
