"""A locustfile as people write it, for the two HTTP users that Locust ships: the shop's four requests.

The tasks are plain functions in each class's own ``tasks``: methods marked ``@task`` are inherited on top of
each other, so that a common base class would quietly double them. ``locust -f stock_users.py`` runs it too.
"""

from __future__ import annotations

import random
from typing import Any

from locust import FastHttpUser, HttpUser, constant_throughput

from parts.shop import HEADERS, IN_STOCK, ORDER, PAGES, PRODUCTS


def product(user: Any) -> None:
    path = f"/products/{random.randint(1, PRODUCTS)}"
    with user.client.get(path, headers=HEADERS, name="product", catch_response=True) as answer:
        if answer.status_code != 200:
            answer.failure(f"status {answer.status_code}")
        elif IN_STOCK not in answer.text:
            answer.failure("not in stock")


def search(user: Any) -> None:
    path = f"/search?q=lamp&page={random.randint(1, PAGES)}"
    with user.client.get(path, headers=HEADERS, name="search", catch_response=True) as answer:
        if answer.status_code != 200:
            answer.failure(f"status {answer.status_code}")


def basket(user: Any) -> None:
    with user.client.get("/basket", headers=HEADERS, name="basket", catch_response=True) as answer:
        if answer.status_code != 200:
            answer.failure(f"status {answer.status_code}")


def order(user: Any) -> None:
    with user.client.post(
        "/orders", json=ORDER, headers=HEADERS, name="order", catch_response=True
    ) as answer:
        if answer.status_code != 200:
            answer.failure(f"status {answer.status_code}")


def look(user: Any) -> None:
    user.client.get("/products/17", name="product")


_SHOP: Any = {product: 4, search: 3, basket: 2, order: 1}
_LOOK: Any = [look]


class Fast(FastHttpUser):
    tasks = _SHOP


class Http(HttpUser):
    tasks = _SHOP


class Closed(FastHttpUser):
    """Asks, waits for the answer, asks again."""

    tasks = _LOOK


class Throughput(FastHttpUser):
    """Locust's own way to a rate: each user starts a task ten times a second, if the last one is over."""

    tasks = _LOOK
    wait_time = constant_throughput(10)
