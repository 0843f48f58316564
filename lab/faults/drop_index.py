"""An index is missing: dropped in Postgres itself, so that the planner has to read the whole table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.faults import _indexes
from lab.faults._postgres import Name, connected, quoted
from lab.model.dose import Dose
from lab.model.stack import Running


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class DropIndex:
    """Drop the index ``index``; healed by the very statement that Postgres gives as its definition."""

    index: Name

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})
    event: ClassVar[str | None] = None

    @property
    def target(self) -> str:
        """The index."""
        return f"index {self.index}"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"sql": the statement that creates the index}``. Raises EnvironmentFailed where it is missing."""
        with connected(running, "look up an index") as database:
            return {"sql": _indexes.valid(running, database, self.index).definition}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Drop the index, yield ``{"dropped": name}``, create it again if it is still missing then."""
        from psycopg.sql import SQL

        definition = self.undo(running)["sql"]
        try:
            with connected(running, "drop an index") as database:
                database.execute(SQL("DROP INDEX {}").format(quoted(self.index)))
            yield {"dropped": self.index}
        finally:
            with connected(running, "restore an index", heals=True) as database:
                _indexes.restore(database, self.index, definition)

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """That ``pg_index`` has no valid index of that name."""
        return _indexes.dose_of(running, self.index)
