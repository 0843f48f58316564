"""Asking an arm under test: over HTTP, in SQL, and under load."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any
from urllib.request import ProxyHandler, build_opener

import psycopg

from lab.model.stack import Running


def ask(arm: Running, path: str) -> bytes:
    with build_opener(ProxyHandler({})).open(arm.url + path, timeout=10) as answer:
        body: bytes = answer.read()
        return body


def sql(arm: Running, statement: str) -> list[Any]:
    with psycopg.connect(arm.dsn, autocommit=True) as database:
        done = database.execute(statement.encode())
        return done.fetchall() if done.description else []


@contextmanager
def load(arm: Running, *paths: str) -> Iterator[None]:
    """Requests one after another, all the while; ends with the first that fails."""
    over, failed = threading.Event(), []

    def send() -> None:
        try:
            while not over.is_set():
                for path in paths:
                    ask(arm, path)
        except OSError as error:
            failed.append(error)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        over.set()
        sender.join()
    assert not failed


def state(arm: Running) -> tuple[object, ...]:
    """What a fault may not change for longer than it lasts."""
    indexes = sql(
        arm,
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid FROM pg_index "
        "WHERE indrelid::regclass::text IN ('orders', 'order_items', 'products') ORDER BY 1",
    )
    return (
        indexes,
        sql(arm, "SELECT count(*) FROM orders"),
        *(arm.alive(s) for s in ("app", "postgres", "redis")),
    )


def until(read: Callable[[], str], good: Callable[[str], bool]) -> str:
    deadline = perf_counter() + 10
    while perf_counter() < deadline:
        if good(text := read()):
            return text
    raise AssertionError(f"not within 10 s: {read()}")
