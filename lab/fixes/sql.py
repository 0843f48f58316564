"""A statement run on the live database, as a person would type it into psql while the load goes on."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.model.stack import ArmSpec, Running


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Sql:
    """Run one statement outside of a transaction (CREATE INDEX CONCURRENTLY works).

    ``placebo`` is a statement with the same side effects and without the content: the same build on a
    column that the slow query does not use. The problem and placebo arms run it at the same moment.
    """

    run: str
    sham: str = Field(alias="placebo")

    needs: ClassVar[frozenset[str]] = frozenset({"postgres", "sql"})

    def prepare(self, arm: ArmSpec, module: str) -> ArmSpec:
        """The arm as it is: a statement asks nothing of the start."""
        return arm

    def apply(self, running: Running) -> None:
        """Run the statement; returns when Postgres has finished it. Raises EnvironmentFailed."""
        _execute(running, self.run)

    def placebo(self, running: Running) -> None:
        """Run the statement that changes nothing for the slow query. Raises EnvironmentFailed."""
        _execute(running, self.sham)


def _execute(running: Running, statement: str) -> None:
    import psycopg

    try:
        with psycopg.connect(running.dsn, autocommit=True, connect_timeout=5) as database:
            database.execute(statement.encode())
    except psycopg.Error as error:
        raise EnvironmentFailed(
            what=f"Postgres refused the statement: {statement}",
            where=f"postgres of {running.name}",
            why=f"{error}\n{running.logs('postgres')}",
            do="try the statement in psql against a stack of `lab up`",
        ) from error
