"""The running app, asked over HTTP: pages, health, metrics, logs, and clients that leave."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from asking import ask, until

from lab.model.stack import Running
from sample_app.app import create_app
from sample_app.settings import Settings


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Client:
    """Every request on a connection of its own."""

    def __init__(self, url: str) -> None:
        self.address = (urlsplit(url).hostname or "", urlsplit(url).port or 0)

    def get(self, path: str, **headers: str) -> Reply:
        return self._ask("GET", path, headers=headers)

    def post(self, path: str, body: object) -> Reply:
        return self._ask("POST", path, json.dumps(body), {"content-type": "application/json"})

    def _ask(self, method: str, path: str, body: str | None = None, headers: Any = None) -> Reply:
        connection = HTTPConnection(*self.address, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, named, answer.read().decode())
        finally:
            connection.close()


@pytest.fixture
def client(arm: Running) -> Client:
    return Client(arm.url)


@contextmanager
def locked(arm: Running, table: str) -> Iterator[None]:
    """Nobody else can read the table."""
    with psycopg.connect(arm.dsn) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield
        connection.rollback()


def test_pages(client: Client) -> None:
    assert [product["id"] for product in client.get("/products?limit=3&offset=5").json["products"]] == [
        6,
        7,
        8,
    ]
    assert client.get("/products/7").json["sku"] == "SKU-00007"
    assert len(client.get("/products/7").json["description"]) > 400
    assert all(1 <= review["rating"] <= 5 for review in client.get("/products/7/reviews").json)
    assert client.get("/customers/7").json["email"] == "customer7@example.org"
    assert len(client.get("/orders/5").json["items"]) == 3


def test_the_ranking_is_in_order_of_revenue(client: Client) -> None:
    revenues = [product["revenue_cents"] for product in client.get("/products/top").json]
    assert len(revenues) == 10
    assert revenues == sorted(revenues, reverse=True)


def test_a_customers_latest_orders(client: Client) -> None:
    latest = [order["created_at"] for order in client.get("/customers/7/orders").json]
    assert len(latest) == 20
    assert latest == sorted(latest, reverse=True)
    since = client.get(f"/customers/7/orders?since={latest[5]}").json
    assert [order["created_at"] for order in since] == latest[:5]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/products/999999", 404), (f"/products/{10**30}", 404), ("/customers/999999", 404),
        ("/orders/999999999", 404), ("/customers/0", 422), ("/products?limit=101", 422),
        ("/customers/7/orders?since=yesterday", 422), ("/nothing", 404),
    ],
)  # fmt: skip
def test_what_is_not_there_is_said(client: Client, path: str, status: int) -> None:
    assert client.get(path).status == status


def test_an_order_is_placed_whole_or_not_at_all(client: Client) -> None:
    price = client.get("/products/9").json["price_cents"]
    placed = client.post("/orders", {"customer_id": 4999, "items": [{"product_id": 9, "quantity": 3}]})
    assert (placed.status, placed.json["total_cents"]) == (201, 3 * price)
    order = client.get(f"/orders/{placed.json['id']}").json
    assert order["items"] == [{"line": 1, "product_id": 9, "quantity": 3, "unit_price_cents": price}]
    half = {
        "customer_id": 4999,
        "items": [{"product_id": 9, "quantity": 1}, {"product_id": 10**6, "quantity": 1}],
    }
    assert client.post("/orders", half).status == 404
    assert client.post("/orders", {"customer_id": 10**6, "items": half["items"][:1]}).status == 404
    assert client.get("/customers/4999/orders").json[0]["id"] == placed.json["id"]


def test_every_answer_carries_its_id_and_its_time(client: Client) -> None:
    answer = client.get("/customers/7", **{"X-Request-ID": "abc"})
    assert answer.headers["x-request-id"] == "abc"
    assert 0 < float(answer.headers["x-process-time"]) < 10
    assert re.fullmatch(r"[0-9a-f]{32}", client.get("/customers/7").headers["x-request-id"])


def test_debug_metrics_is_the_guides_document(client: Client) -> None:
    before = client.get("/debug/metrics").json
    client.get("/customers/7")
    after = client.get("/debug/metrics").json
    assert {part: sorted(values) for part, values in after.items()} == {
        "memory": ["rss", "vms"],
        "cpu": ["percent", "threads"],
        "connections": ["database", "redis"],
        "cache": ["hit_rate", "local_size"],
        "requests": ["active", "errors", "total"],
    }
    assert after["requests"]["total"] - before["requests"]["total"] == 2
    assert after["requests"]["active"] == 1
    assert 30 < after["memory"]["rss"] < 400
    assert after["connections"]["redis"] >= 1


def test_prometheus_counts_by_route(client: Client) -> None:
    client.get("/customers/7")
    text = client.get("/metrics").text
    assert re.search(
        r'^shop_requests_total\{method="GET",route="/customers/\{customer_id\}",status="200"\} [1-9]',
        text,
        re.M,
    )
    assert "shop_request_seconds_bucket" in text
    assert "process_resident_memory_bytes" in text


def test_health_names_the_dependency_that_is_gone(arm: Running, client: Client) -> None:
    assert (client.get("/health").status, client.get("/health").json["status"]) == (200, "ok")
    arm.kill("redis")
    try:
        answer = client.get("/health")
    finally:
        arm.start("redis")
    assert answer.status == 503
    assert answer.json["postgres"] == "ok"
    assert "Connect" in answer.json["redis"]
    assert client.get("/health").status == 200


def test_a_slow_request_is_logged_with_its_id(arm: Running, client: Client) -> None:
    with locked(arm, "customers"):
        connection = HTTPConnection(*client.address, timeout=10)
        connection.request("GET", "/customers/8", headers={"X-Request-ID": "slow-one"})
        asyncio.run(until(lambda: len(waiting(arm, "customer")) == 1, "the query waits"))
        begun = time.monotonic()
        asyncio.run(until(lambda: time.monotonic() - begun > 0.4, "longer than the limit of 0.3 s"))
    assert connection.getresponse().status == 200
    asyncio.run(until(lambda: "slow-one" in arm.logs("app", 50), "the slow request is logged"))
    line = next(json.loads(line) for line in arm.logs("app", 50).splitlines() if "slow-one" in line)
    assert (line["event"], line["level"], line["path"], line["status"]) == (
        "slow request", "warning", "/customers/8", 200,
    )  # fmt: skip
    assert line["seconds"] > 0.3


def waiting(arm: Running, label: str) -> list[tuple[Any, ...]]:
    """Queries of that business name that are under way."""
    with psycopg.connect(arm.dsn) as connection:
        return connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND application_name = 'shop'"
            " AND query LIKE %s",
            [f"%/* {label} */%"],
        ).fetchall()


def test_a_client_that_leaves_takes_its_query_along(arm: Running, client: Client) -> None:
    with locked(arm, "customers"):
        with socket.create_connection(client.address) as leaving:
            leaving.sendall(b"GET /customers/7 HTTP/1.1\r\nHost: shop\r\n\r\n")
            asyncio.run(until(lambda: len(waiting(arm, "customer")) == 1, "the query waits"))
        asyncio.run(until(lambda: waiting(arm, "customer") == [], "the query ends while the lock is held"))
        metrics = client.get("/debug/metrics").json
    assert metrics["requests"]["active"] == 1
    assert metrics["connections"]["database"] == 0
    assert client.get("/customers/7").status == 200


def test_work_that_is_cancelled_by_another_is_not_swallowed(settings_of, arm: Running) -> None:
    async def story() -> None:
        app = create_app(settings_of())
        async with app.router.lifespan_context(app):
            with locked(arm, "customers"):
                request = asyncio.create_task(ask(app, "/customers/7"))
                await until(lambda: len(waiting(arm, "customer")) == 1, "the query waits")
                request.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await request

    asyncio.run(story())


def test_a_failure_is_an_answer_with_an_id_and_says_nothing_more(settings_of) -> None:
    nowhere: Settings = settings_of(database_url="postgresql://shop@127.0.0.1:1/shop")

    async def story() -> None:
        app = create_app(nowhere)
        async with app.router.lifespan_context(app):
            answer = await ask(app, "/customers/7")
        assert (answer.status, answer.body) == (500, b'{"detail":"Internal Server Error"}')
        assert answer.headers["x-request-id"]
        assert app.state.shop.metrics.errors == 1

    asyncio.run(story())
