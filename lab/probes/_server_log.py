"""Settings of Postgres that hold for a moment, and what it logs meanwhile."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lab.errors import EnvironmentFailed
from lab.model.stack import Running

if TYPE_CHECKING:
    from psycopg import Connection

_MARK = "looked at from here"
_ALTERED = (
    "SELECT name, setting FROM pg_file_settings"
    " WHERE sourcefile LIKE '%%postgresql.auto.conf' AND name = ANY(%s)"
)


def mark(database: Connection[Any]) -> str:
    """A line in the server's log, by its text: a place to begin or to end at."""
    text = f"{_MARK} {uuid.uuid4().hex}"
    database.execute(f"DO $$ BEGIN RAISE LOG '{text}'; END $$".encode())
    return text


def by_probes(statement: str) -> bool:
    """Of what is logged meanwhile: is this the doing of ``mark`` or ``switched``?"""
    return any(word in statement for word in (_MARK, "ALTER SYSTEM ", "SELECT pg_reload_conf()"))


@contextmanager
def switched(database: Connection[Any], running: Running, settings: Mapping[str, str]) -> Iterator[None]:
    """``ALTER SYSTEM`` while it lasts; then each is as it was. Raises EnvironmentFailed."""
    _refuse_fixed(database, running, list(settings))
    before = dict(database.execute(_ALTERED, [list(settings)]).fetchall())
    try:
        for name, value in settings.items():
            database.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
        database.execute("SELECT pg_reload_conf()")
        yield
    finally:
        for name in settings:
            again = f"SET {name} = '{before[name]}'" if name in before else f"RESET {name}"
            database.execute(f"ALTER SYSTEM {again}".encode())
        database.execute("SELECT pg_reload_conf()")


def _refuse_fixed(database: Connection[Any], running: Running, names: list[str]) -> None:
    """What stands on the server's command line cannot be changed while it runs."""
    asked = "SELECT name FROM pg_settings WHERE source = 'command line' AND name = ANY(%s)"
    fixed = [str(row[0]) for row in database.execute(asked, [names])]
    if fixed:
        raise EnvironmentFailed(
            what="Postgres cannot be made to log this",
            where=f"postgres of {running.name}",
            why=f"its command line fixes {', '.join(fixed)}",
            do="start the server without this setting: its default logs nothing either",
        )
