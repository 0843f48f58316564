"""Autovacuum kept away from one table, so that it does not heal a fault unasked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

_SET = """
    SELECT option_value FROM pg_class, pg_options_to_table(reloptions)
    WHERE oid = %s AND option_name = 'autovacuum_enabled'
"""


def keep_away(table: str) -> str:
    """The statement that switches autovacuum off for a table."""
    return f"ALTER TABLE {table} SET (autovacuum_enabled = off)"


def as_before(database: Connection[Any], table: str, oid: int) -> str:
    """The statement that sets it back to what it is now."""
    now = database.execute(_SET, [oid]).fetchone()
    if now is None:
        return f"ALTER TABLE {table} RESET (autovacuum_enabled)"
    return f"ALTER TABLE {table} SET (autovacuum_enabled = {now[0]})"
