"""An index is missing: dropped in Postgres itself, so that the planner has to read the whole table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.model.stack import Running

if TYPE_CHECKING:
    from psycopg import Connection

_DEFINITION = """
    SELECT pg_get_indexdef(i.indexrelid), i.indisvalid
    FROM pg_index i WHERE i.indexrelid = to_regclass(%s)
"""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class DropIndex:
    """Drop the index ``index``; healed by the very statement that Postgres gives as its definition."""

    index: str

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})
    event: ClassVar[str | None] = None

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"sql": the statement that creates the index}``. Raises EnvironmentFailed where it is missing."""
        with _connected(running) as database:
            return {"sql": self._definition(database, running)}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Drop the index, yield ``{"dropped": name}``, create it again if it is still missing then."""
        from psycopg.sql import SQL, Identifier

        with _connected(running) as database:
            definition = self._definition(database, running)
        try:
            with _connected(running) as database:
                database.execute(SQL("DROP INDEX {}").format(Identifier(*self.index.split("."))))
            yield {"dropped": self.index}
        finally:
            self._create(running, definition)

    def _definition(self, database: Connection[Any], running: Running) -> str:
        found = database.execute(_DEFINITION, [self.index]).fetchone()
        if found is None:
            raise EnvironmentFailed(
                what=f"there is no index {self.index}",
                where=f"postgres of {running.name}",
                why="the fault drops an index that has to be there first",
                do="name an index that the app's data has (psql: \\di)",
            )
        return str(found[0])

    def _create(self, running: Running, definition: str) -> None:
        from psycopg.sql import SQL, Identifier

        with _connected(running) as database:
            found = database.execute(_DEFINITION, [self.index]).fetchone()
            if found is not None and not found[1]:  # a concurrent build that was broken off
                database.execute(SQL("DROP INDEX {}").format(Identifier(*self.index.split("."))))
                found = None
            if found is None:
                database.execute(definition.encode())


@contextmanager
def _connected(running: Running) -> Iterator[Connection[Any]]:
    import psycopg

    try:
        with psycopg.connect(running.dsn, autocommit=True, connect_timeout=5) as database:
            database.execute("SET lock_timeout = '10s'")
            yield database
    except psycopg.Error as error:
        raise EnvironmentFailed(
            what="could not drop or restore an index",
            where=f"postgres of {running.name}",
            why=f"{error}\n{running.logs('postgres')}",
            do="look at the log of postgres in the run folder",
        ) from error
