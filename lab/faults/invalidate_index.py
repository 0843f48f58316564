"""An index is there but invalid, as a CREATE INDEX CONCURRENTLY leaves it that was broken off near its end.

Writes still keep it up, and no plan reads it. Its row in ``pg_index`` is set to what the broken-off build
leaves (``indisvalid`` false, ``indisready`` true), which is all that Postgres has of that state: a real
broken-off build would need the index to be dropped and built first, and could not be healed exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.faults import _indexes
from lab.faults._postgres import Name, connected
from lab.model.dose import Dose
from lab.model.stack import Running

if TYPE_CHECKING:
    from psycopg import Connection


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class InvalidateIndex:
    """Mark the index ``index`` as invalid; healed by marking that very index valid again."""

    index: Name

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})
    event: ClassVar[str | None] = None

    @property
    def target(self) -> str:
        """The index."""
        return f"index {self.index}"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"sql": [statements]}``. Raises EnvironmentFailed where the index is missing or invalid already."""
        with connected(running, "look up an index") as database:
            return {"sql": _marking(_indexes.valid(running, database, self.index), valid=True)}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Mark the index, yield ``{"invalidated": name}``, mark it back. One built anew stays as it is."""
        with connected(running, "look up an index") as database:
            index = _indexes.valid(running, database, self.index)
        try:
            with connected(running, "invalidate an index") as database:
                _execute(database, _marking(index, valid=False))
            yield {"invalidated": self.index}
        finally:
            with connected(running, "restore an index", heals=True) as database:
                _execute(database, _marking(index, valid=True))
                _indexes.restore(database, self.index, index.definition)

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """That ``pg_index`` has no valid index of that name."""
        return _indexes.dose_of(running, self.index)


def _marking(index: _indexes.Index, *, valid: bool) -> list[str]:
    # By oid: an index of the same name that somebody has half built since must not pass for valid.
    return [
        f"UPDATE pg_index SET indisvalid = {valid} WHERE indexrelid = {index.oid}",
        # Unchanged, but so every session plans anew that has a plan of this table.
        f"UPDATE pg_class SET relname = relname WHERE oid = {index.table}",
    ]


def _execute(database: Connection[Any], statements: list[str]) -> None:
    with database.transaction():
        for statement in statements:
            database.execute(statement.encode())
