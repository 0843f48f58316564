"""Postgres has fewer connections to give than the app wants: error 53300, too many connections.

``max_connections`` itself changes only with a restart of the server, which is an outage of its own. The limit
of the app's role takes effect at once, refuses with the same error class, and leaves the superuser in, for
whom a real server keeps some connections back as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from lab.faults._postgres import connected, heal, missing, number
from lab.faults._sessions import app_backends, app_user, connect_as_app, end_all, name_of
from lab.model.dose import Dose
from lab.model.stack import Running

_MAY_HAVE = """
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
"""
_OPEN = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND backend_type = 'client backend'"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ShrinkMaxConnections:
    """Leave the app ``to`` connections. What it has above that is closed, the youngest first."""

    to: Annotated[int, Field(ge=1)]

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})
    event: ClassVar[str | None] = None

    @property
    def target(self) -> str:
        """Postgres."""
        return "postgres"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"sql": [statements]}``. Raises EnvironmentFailed where ``to`` would not be fewer than now."""
        with connected(running, "look up the limit") as database:
            user = app_user(database)
            row = database.execute(
                "SELECT rolconnlimit, rolsuper FROM pg_roles WHERE rolname = %s", [user]
            ).fetchone()
            assert row is not None
            has = number(database, _MAY_HAVE) if row[0] < 0 else row[0]
        if row[1] or self.to >= has:
            why_not = "it is a superuser, who has no limit" if row[1] else f"it may have {has:.0f} now"
            raise missing(
                running, f"{user} cannot be shrunk to {self.to} connections: {why_not}", "ask for fewer"
            )
        return {"sql": [_limit(user, row[0])]}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Set the limit, yield ``{"limit": to, "closed": how many}``, set it back."""
        statements = self.undo(running)["sql"]
        try:
            with connected(running, "limit connections") as database:
                user = app_user(database)
                database.execute(_limit(user, self.to).encode())
                excess = int(number(database, _OPEN, user)) - self.to
                closed = app_backends(running, database)[: max(0, excess)]
                end_all(database, closed)
            yield {"limit": self.to, "closed": len(closed)}
        finally:
            heal(running, "restore the limit", statements)

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """How many connections the app's user has when the next is refused; for that they are all taken."""
        import psycopg

        count: float | None = None
        with connected(running, "count connections") as database, ExitStack() as taken:
            user, name = app_user(database), name_of(running, self)
            try:
                for _ in range(self.to + 1):
                    taken.enter_context(closing(connect_as_app(running, user, name)))
            except psycopg.OperationalError as error:
                if "too many connections" in str(error) or "too many clients" in str(error):
                    count = number(database, _OPEN, user)
        return (Dose(what="connections until refused", unit="connections", asked=self.to, delivered=count),)


def _limit(user: str, connections: int) -> str:
    return f'ALTER ROLE "{user}" CONNECTION LIMIT {connections}'
