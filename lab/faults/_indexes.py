"""An index as Postgres has it, and how it comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.faults._postgres import connected, missing, number, quoted
from lab.model.dose import Dose
from lab.model.stack import Running

if TYPE_CHECKING:
    from psycopg import Connection

_FOUND = """
    SELECT indexrelid::bigint, indrelid::bigint, pg_get_indexdef(indexrelid), indisvalid
    FROM pg_index WHERE indexrelid = to_regclass(%s)
"""


@dataclass(frozen=True)
class Index:
    """``definition`` is the statement that creates it."""

    oid: int
    table: int
    definition: str
    valid: bool


def present(database: Connection[Any], name: str) -> Index | None:
    """The index of that name, None where there is none."""
    row = database.execute(_FOUND, [name]).fetchone()
    return Index(*row) if row else None


def valid(running: Running, database: Connection[Any], name: str) -> Index:
    """The index of that name. Raises EnvironmentFailed where it is missing or invalid."""
    found = present(database, name)
    if found is None or not found.valid:
        is_not = f"there is no index {name}" if found is None else f"the index {name} is invalid already"
        raise missing(running, is_not, "name an index that the app's data has (psql: \\di)")
    return found


def restore(database: Connection[Any], name: str, definition: str) -> None:
    """Create an index that is missing. One that a broken-off concurrent build left invalid is dropped first."""
    from psycopg.sql import SQL

    found = present(database, name)
    if found is not None and not found.valid:
        database.execute(SQL("DROP INDEX {}").format(quoted(name)))
        found = None
    if found is None:
        database.execute(definition.encode())


def dose_of(running: Running, name: str) -> tuple[Dose, ...]:
    """That Postgres has no valid index of that name: what is not valid, no plan reads."""
    count = "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass(%s) AND indisvalid"
    with connected(running, "look up an index") as database:
        usable = number(database, count, name)
    return (Dose(what=f"usable index {name}", unit="indexes", asked=0, delivered=usable),)
