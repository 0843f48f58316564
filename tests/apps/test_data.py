"""The shop's data: the same rows for the same seed, on every server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from lab.model.stack import Running
from sample_app import data

# Of seed 7. A change here means that every measured figure is about other data: say so in the changelog.
KNOWN = {
    "customers": "05ae11b37c25cf5e7512c9a8690713d6",
    "products": "d52b6e0f8bcfde3c1da1d3e265ce5fb7",
    "orders": "19d450fafb7644ba333ea7d55c48b357",
    "order_items": "1c3352818c44e629208821afb501fe00",
    "reviews": "e713e976f4cddc3fcb5ab37d5dcb8723",
}

Shop = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture(scope="module")
def shop(arm: Running) -> Iterator[Shop]:
    """A connection to a database that was filled just now, over an older schema."""
    url = arm.dsn.rpartition("/")[0] + "/filled_anew"
    with psycopg.connect(arm.dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE filled_anew")
        try:
            with psycopg.connect(url, options="-c TimeZone=UTC", autocommit=True) as shop:
                shop.execute("CREATE TABLE orders (older int)")
                data.load(url)
                yield shop
        finally:
            connection.execute("DROP DATABASE filled_anew WITH (FORCE)")


@pytest.mark.parametrize("table", KNOWN)
def test_rows_follow_from_the_seed(table: str, shop: Shop) -> None:
    checksum = f"SELECT md5(string_agg(md5(row::text), '' ORDER BY row)) FROM {table} AS row"
    assert shop.execute(checksum.encode()).fetchone() == (KNOWN[table],)


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        ("customers", data.CUSTOMERS),
        ("products", data.PRODUCTS),
        ("orders", data.ORDERS),
        ("order_items", 2 * data.ORDERS),
        ("reviews", data.REVIEWS),
    ],
)
def test_tables_have_their_rows(table: str, rows: int, shop: Shop) -> None:
    assert shop.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (rows,)


def test_totals_are_the_sums_of_their_lines(shop: Shop) -> None:
    wrong = """SELECT count(*) FROM orders JOIN (SELECT order_id, sum(quantity * unit_price_cents) AS total
               FROM order_items GROUP BY order_id) AS lines ON lines.order_id = orders.id
               WHERE lines.total <> orders.total_cents"""
    assert shop.execute(wrong).fetchone() == (0,)


def test_orders_are_spread_over_all_customers(shop: Shop) -> None:
    per_customer = (
        "SELECT count(*), min(n), max(n) FROM (SELECT count(*) n FROM orders GROUP BY customer_id) c"
    )
    found = shop.execute(per_customer).fetchone()
    assert found is not None
    customers, fewest, most = found
    assert customers == data.CUSTOMERS
    assert 20 <= fewest <= 60 <= most <= 120


def test_names_and_indexes_that_others_rely_on(shop: Shop) -> None:
    index = "SELECT indexdef FROM pg_indexes WHERE indexname = 'orders_customer_id_created_at_idx'"
    found = shop.execute(index).fetchone()
    assert found is not None
    assert found[0].endswith("ON public.orders USING btree (customer_id, created_at)")


def test_the_next_order_gets_the_next_number(shop: Shop) -> None:
    counter = "SELECT nextval(pg_get_serial_sequence('orders', 'id'))"
    assert shop.execute(counter).fetchone() == (data.ORDERS + 1,)


def test_other_seeds_are_other_data() -> None:
    assert data.version(7) == data.VERSION != data.version(8)


def test_version_is_printed_and_stays() -> None:
    command = [sys.executable, "-m", "sample_app.data", "--version"]
    printed = {subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(3)}
    assert printed == {f"{data.VERSION}\n"}


def test_an_unreachable_database_is_one_line() -> None:
    command = [
        sys.executable,
        "-m",
        "sample_app.data",
        "--database-url",
        "postgresql://shop@127.0.0.1:1/shop",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("cannot fill the database: ")
    assert "Traceback" not in done.stderr
