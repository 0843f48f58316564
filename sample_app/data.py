"""The shop's schema and rows, made inside the server from a seed: ``python -m sample_app.data``.

Every value is integer arithmetic on the row's number, so one seed gives identical rows on every server
and version: no random(), no setseed(), no hash function whose result a release may change.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Sequence

import psycopg
from psycopg import sql
from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import dialect
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable, DDLElement

from sample_app.models import Base

DEFAULT_SEED = 7
CUSTOMERS, PRODUCTS, ORDERS, REVIEWS = 5_000, 2_000, 300_000, 40_000

_PRIMES = (2_147_483_647, 2_147_483_629, 2_147_483_587)  # below 2**31: a product fits into a bigint


def _words(text: str) -> list[str]:
    return text.split()


_FIRST = _words("Ada Bo Chen Dana Emil Fatima Goran Hana Ines Jonas Kaya Lena Milan Noor Otis Priya")
_LAST = _words(
    "Abe Berg Costa Dietz Eklund Farah Gomez Huber Ito Jensen Khan Lopez Moreau Novak Okafor Petit"
)
_CITIES = _words("Porto Lyon Graz Turku Gdansk Leiden Bergen Malaga Ghent Trento")
_ADJECTIVES = _words("Quiet Bright Sturdy Light Folding Classic Compact Woven Northern Everyday")
_NOUNS = _words("Lamp Kettle Backpack Chair Notebook Blanket Bottle Speaker Jacket Clock Basket Tent")
_CATEGORIES = _words("home kitchen travel office outdoor music clothing")
_STATUSES = ["delivered", "delivered", "delivered", "shipped", "paid", "cancelled"]
_SENTENCES = [
    "Made in small batches from materials that can be repaired, with every spare part sold for ten years.",
    "Weighs less than it looks, folds flat and fits under a train seat.",
    "Our customers ask for it by name, and most of them come back for a second one within the year.",
    "The surface is oiled by hand; a soft cloth and warm water keep it in shape.",
    "Tested for twenty thousand openings, which is about thirty years of breakfasts.",
    "It ships in a box without plastic, and the box turns into a stand.",
    "Comes in four colours that match the rest of the range.",
    "The guarantee covers everything but the dog.",
]
_OPINIONS = [
    "Does what it says.",
    "Arrived a day early, well packed, and it has been in use every morning since.",
    "The colour is a little darker than in the picture, otherwise very good.",
    "Bought a second one for my sister.",
    "The hinge came loose after a month; the spare part was here in two days.",
]


def _draw(row: str, below: int, seed: int, stream: str) -> str:
    """An SQL expression for a whole number in [0, below), a function of ``row``, the seed and the stream.

    Three linear steps modulo three different primes: each step breaks the lattice of the one before.
    """
    digest = hashlib.sha256(f"{seed}/{stream}".encode()).digest()
    value = f"({row})::bigint"
    for step, prime in enumerate(_PRIMES):
        factor = 1_000_000_007 + int.from_bytes(digest[step * 8 : step * 8 + 3], "big")
        offset = int.from_bytes(digest[step * 8 + 3 : step * 8 + 6], "big")
        value = f"(({value} + {offset}) * {factor} % {prime})"
    return f"({value} % {below})"


def _pick(words: Sequence[str], row: str, seed: int, stream: str) -> str:
    """An SQL expression for one of the words."""
    listed = ", ".join("'" + word.replace("'", "''") + "'" for word in words)
    return f"(ARRAY[{listed}])[1 + {_draw(row, len(words), seed, stream)}]"


def _customers(seed: int) -> str:
    return f"""
INSERT INTO customers (id, name, email, city, created_at) OVERRIDING SYSTEM VALUE
SELECT i, {_pick(_FIRST, "i", seed, "first")} || ' ' || {_pick(_LAST, "i", seed, "last")},
  'customer' || i || '@example.org', {_pick(_CITIES, "i", seed, "city")},
  timestamptz '2023-01-01 00:00:00+00' + i * interval '97 minutes'
FROM generate_series(1, {CUSTOMERS}) AS i"""


def _products(seed: int) -> str:
    sentences = " || ' ' || ".join(_pick(_SENTENCES, "i", seed, f"sentence {n}") for n in range(9))
    return f"""
INSERT INTO products (id, sku, name, category, description, price_cents, stock) OVERRIDING SYSTEM VALUE
SELECT i, 'SKU-' || lpad(i::text, 5, '0'),
  {_pick(_ADJECTIVES, "i", seed, "adjective")} || ' ' || {_pick(_NOUNS, "i", seed, "noun")} || ' ' || i,
  {_pick(_CATEGORIES, "i", seed, "category")}, {sentences},
  199 + {_draw("i", 20_000, seed, "price")}, {_draw("i", 500, seed, "stock")}
FROM generate_series(1, {PRODUCTS}) AS i"""


def _order_items(seed: int) -> str:
    """One to three lines an order. The product of two draws makes some products far more popular."""
    row = "i * 3 + line"
    popular = f"{_draw(row, PRODUCTS, seed, 'product')} * {_draw(row, PRODUCTS, seed, 'taste')} / {PRODUCTS}"
    return f"""
INSERT INTO order_items (order_id, line, product_id, quantity, unit_price_cents)
SELECT i, line, p.id, 1 + {_draw(row, 3, seed, "quantity")}, p.price_cents
FROM generate_series(1, {ORDERS}) AS i
CROSS JOIN LATERAL generate_series(1, 1 + i % 3) AS line
JOIN products AS p ON p.id = 1 + {popular}
ORDER BY i, line"""


def _orders(seed: int) -> str:
    """Two years of orders, numbered in the order of their time; the total is the sum of the lines."""
    return f"""
INSERT INTO orders (id, customer_id, status, total_cents, created_at) OVERRIDING SYSTEM VALUE
SELECT order_id, 1 + {_draw("order_id", CUSTOMERS, seed, "customer")},
  {_pick(_STATUSES, "order_id", seed, "status")}, sum(quantity * unit_price_cents),
  timestamptz '2024-01-01 00:00:00+00'
    + (order_id * 210 + {_draw("order_id", 200, seed, "moment")}) * interval '1 second'
FROM order_items GROUP BY order_id ORDER BY order_id"""


def _reviews(seed: int) -> str:
    return f"""
INSERT INTO reviews (id, product_id, customer_id, rating, body, created_at) OVERRIDING SYSTEM VALUE
SELECT i, 1 + {_draw("i", PRODUCTS, seed, "reviewed")}, 1 + {_draw("i", CUSTOMERS, seed, "reviewer")},
  5 - {_draw("i", 5, seed, "rating")} * {_draw("i", 2, seed, "mood")},
  {_pick(_OPINIONS, "i", seed, "opinion")},
  timestamptz '2024-01-01 00:00:00+00' + i * interval '26 minutes'
FROM generate_series(1, {REVIEWS}) AS i"""


def _ddl(element: DDLElement) -> str:
    return str(element.compile(dialect=dialect())).strip()  # type: ignore[no-untyped-call]


def _tables() -> list[Table]:
    return list(Base.metadata.sorted_tables)


def statements(seed: int = DEFAULT_SEED) -> list[str]:
    """Everything that makes the shop's database, in order, for one transaction.

    Keys between tables and indexes come after the rows: checking 600,000 rows at once is many times
    faster than one by one.
    """
    tables = _tables()
    drop = "DROP TABLE IF EXISTS " + ", ".join(table.name for table in tables) + " CASCADE"
    create = [_ddl(CreateTable(table, include_foreign_key_constraints=[])) for table in tables]
    fill = [part(seed) for part in (_customers, _products, _order_items, _orders, _reviews)]
    index = [_ddl(CreateIndex(i)) for t in tables for i in sorted(t.indexes, key=lambda i: str(i.name))]
    keys = [
        _ddl(AddConstraint(k))
        for t in tables
        for k in sorted(t.foreign_key_constraints, key=lambda key: list(key.column_keys))
    ]
    counters = [
        f"ALTER TABLE {name} ALTER COLUMN id RESTART WITH {rows + 1}"
        for name, rows in (
            ("customers", CUSTOMERS), ("products", PRODUCTS), ("orders", ORDERS), ("reviews", REVIEWS)
        )
    ]  # fmt: skip
    return [drop, *create, *fill, *index, *keys, *counters]


def version(seed: int = DEFAULT_SEED) -> str:
    """Twelve hexadecimal digits that change whenever the schema or a row would."""
    return hashlib.sha256("\n".join(statements(seed)).encode()).hexdigest()[:12]


def load(database_url: str, seed: int = DEFAULT_SEED, grant_to: str | None = None) -> float:
    """Make the schema and its rows, replacing what was there. Seconds it took.

    ``grant_to`` names the role that the app connects as, where it is not the one that loads.
    Raises :class:`psycopg.Error`.
    """
    begun = time.perf_counter()
    with psycopg.connect(database_url, autocommit=True, application_name="shop-data") as connection:
        with connection.transaction():
            connection.execute("SET LOCAL client_min_messages = warning")
            connection.execute("SET LOCAL maintenance_work_mem = '128MB'")
            connection.execute("SET LOCAL work_mem = '64MB'")
            for statement in statements(seed):
                connection.execute(statement.encode())
            if grant_to is not None:
                _grant(connection, grant_to)
        # Frozen and analysed now, so that no later vacuum competes with the app for the disk and the CPU.
        connection.execute("VACUUM (FREEZE, ANALYZE)")
    return time.perf_counter() - begun


def _grant(connection: psycopg.Connection[tuple[object, ...]], role: str) -> None:
    for kind in ("TABLES", "SEQUENCES"):
        connection.execute(
            sql.SQL(f"GRANT ALL ON ALL {kind} IN SCHEMA public TO {{}}").format(sql.Identifier(role))
        )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m sample_app.data", description="Fill the shop's database."
    )
    parser.add_argument("--database-url", help="a libpq URL, postgresql://user@127.0.0.1:5432/shop")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
    parser.add_argument("--owner", help="role that the app connects as; it is granted all on the tables")
    parser.add_argument("--version", action="store_true", help="print the version of the data and end")
    chosen = parser.parse_args(argv)
    if chosen.version:
        print(version(chosen.seed))
        return 0
    if not chosen.database_url:
        parser.error("--database-url is missing")
    try:
        seconds = load(chosen.database_url, chosen.seed, chosen.owner)
    except psycopg.Error as error:
        print(f"cannot fill the database: {str(error).strip()}", file=sys.stderr)
        return 1
    print(f"{ORDERS:,} orders, data version {version(chosen.seed)}, {seconds:.1f} s")
    return 0


VERSION = version()

if __name__ == "__main__":
    sys.exit(main())
