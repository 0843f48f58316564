"""Postgres as its superuser: connections, names, and what is there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator

from lab.errors import EnvironmentFailed
from lab.model.stack import Running

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.sql import Identifier

_WAIT_S, _HEALS_WAIT_S = 10.0, 60.0
_NAME = re.compile(r"[a-z_][a-z0-9_$]*(\.[a-z_][a-z0-9_$]*)?")


def _named(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(f"{value!r} is no name: write it as psql shows it, such as orders or public.orders")
    return value


Name = Annotated[str, AfterValidator(_named)]  # of a table or an index, with or without its schema


@contextmanager
def connected(running: Running, doing: str, *, heals: bool = False) -> Iterator[Connection[Any]]:
    """A connection of the superuser in autocommit. Raises EnvironmentFailed: "could not ``doing``".

    A statement waits 10 s for a lock, one that ``heals`` a minute: what it does not heal stays.
    """
    import psycopg

    with told(running, doing), psycopg.connect(running.dsn, autocommit=True, connect_timeout=5) as database:
        patience_s = _HEALS_WAIT_S if heals else _WAIT_S
        database.execute(f"SET lock_timeout = '{patience_s:g}s'".encode())
        yield database


@contextmanager
def told(running: Running, doing: str) -> Iterator[None]:
    """What Postgres refuses becomes EnvironmentFailed: "could not ``doing``"."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise failed(running, f"could not {doing}", str(error)) from error


def heal(running: Running, doing: str, statements: Iterable[str]) -> None:
    """Statements one after another, each its own transaction. Raises EnvironmentFailed."""
    with connected(running, doing, heals=True) as database:
        for statement in statements:
            database.execute(statement.encode())


def failed(running: Running, what: str, why: str) -> EnvironmentFailed:
    """What Postgres did not do, with the end of its log."""
    return EnvironmentFailed(
        what=what,
        where=f"postgres of {running.name}",
        why=f"{why}\n{running.logs('postgres', 10)}",
        do="look at the log of postgres in the run folder",
    )


def missing(running: Running, what: str, do: str) -> EnvironmentFailed:
    """The target of a fault is not there."""
    return EnvironmentFailed(
        what=what,
        where=f"postgres of {running.name}",
        why="the fault acts on what is there already",
        do=do,
    )


def table_oid(running: Running, database: Connection[Any], table: str) -> int:
    """The oid of an ordinary table. Raises EnvironmentFailed where there is none of that name."""
    found = database.execute(
        "SELECT oid FROM pg_class WHERE oid = to_regclass(%s) AND relkind = 'r'", [table]
    ).fetchone()
    if found is None:
        raise missing(running, f"there is no table {table}", "name a table that the app has (psql: \\dt)")
    return int(found[0])


def quoted(name: str) -> Identifier:
    """A name as it stands in a statement."""
    from psycopg.sql import Identifier

    return Identifier(*name.split("."))


def number(database: Connection[Any], query: str, *values: object) -> float:
    """The one number that a query gives; 0 where it gives no row or NULL."""
    row = database.execute(query.encode(), values or None).fetchone()
    return float(row[0] or 0) if row else 0.0
