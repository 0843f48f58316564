"""Analytical queries that run for long: they read real pages and take the CPU, the cache and the disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from lab.faults._postgres import connected, told
from lab.faults._sessions import app_user, connect_as_app, ending, in_state, name_of, own_sessions
from lab.model.dose import Dose
from lab.model.stack import Running

if TYPE_CHECKING:
    from psycopg import Connection

# What was sold together, over all time: each item against every other item of the same product.
_STATEMENT = (
    "SELECT count(*), sum(a.quantity * b.unit_price_cents) FROM order_items a "
    "JOIN order_items b ON b.product_id = a.product_id JOIN orders o ON o.id = b.order_id "
    "WHERE o.status <> 'cancelled'"
)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class LongQueries:
    """``count`` sessions execute ``statement`` over and over, as the app's user.

    One that is cancelled or terminated stays away, unless ``again`` says that whoever sent it tries again.
    """

    count: Annotated[int, Field(ge=1, le=90)] = 8
    statement: str = _STATEMENT
    again: bool = False

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})
    event: ClassVar[str | None] = None

    @property
    def target(self) -> str:
        """Postgres."""
        return "postgres"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"sql": [statements]}``. Raises EnvironmentFailed for a statement that this app's data refuse."""
        with connected(running, "plan the statement") as database:
            user = app_user(database)
        with (
            told(running, "plan the statement"),
            # Not under the fault's own name: on a busy machine it may be listed for a moment after it was closed.
            connect_as_app(running, user, f"{name_of(running, self)}p") as session,
        ):
            session.execute(f"EXPLAIN {self.statement}".encode())
        return {"sql": [ending(running, self)]}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Start the sessions, yield ``{"sessions": count}`` when all execute it, end them."""
        self.undo(running)
        statement = self.statement.encode()

        def execute(session: Connection[Any]) -> None:
            session.execute(statement)

        with own_sessions(running, self, "run long queries") as sessions:
            for _ in range(self.count):
                sessions.repeat(execute, again=self.again)
            sessions.started(lambda: in_state(running, self, "active") >= self.count, "run long queries")
            yield {"sessions": self.count}

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """The sessions that ``pg_stat_activity`` has as active now."""
        active = in_state(running, self, "active")
        return (
            Dose(
                what="active long queries",
                unit="sessions",
                asked=self.count,
                delivered=active,
                counts="at-least",
            ),
        )
