"""How many connections the app holds to Postgres at one moment: what a missing or leaking pool piles up."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.model.stack import Gauge, Running
from lab.probes import _asking

if TYPE_CHECKING:
    from psycopg import Connection

MOST_KEPT = 16  # connections, of arms that come and go
PREFLIGHT = 5
TIMEOUT_S = 2  # the connection reserved for superusers is there even when all others are taken
_COUNTED = (
    "SELECT count(*), count(*) FILTER (WHERE state = 'active') FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND usename <> current_user"
)
_OTHER_ROLE = (
    "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname <> current_user ORDER BY rolsuper LIMIT 1"
)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Connections:
    """Client connections of the server as pg_stat_activity lists them, without those of the lab's own role."""

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})
    gauges: ClassVar[Mapping[str, Gauge]] = {
        "peak": Gauge(
            unit="connections",
            scale="difference",
            doc="The most that were open at one moment",
            reading="open",
            statistic="peak",
        ),
        "active": Gauge(
            unit="connections",
            scale="difference",
            doc="How many were executing a statement, on average",
            reading="active",
            statistic="mean",
        ),
    }

    def sample(self, running: Running) -> Mapping[str, float]:
        """Connections open and active now. Raises EnvironmentFailed where the server does not answer."""
        import psycopg

        try:
            counted = _connection(running.dsn).execute(_COUNTED).fetchone()
        except psycopg.Error as error:
            _forget(running.dsn)  # the next sample finds a server that came back
            raise EnvironmentFailed(
                what="Postgres did not say how many connections it has",
                where=f"postgres of {running.name}",
                why=str(error),
                do="look at the log of postgres in the run folder",
            ) from error
        return {"open": float(counted[0]), "active": float(counted[1])} if counted else {}

    def preflight(self, running: Running) -> str:
        """Open a known number of connections as another role, and read them back at once."""
        import psycopg

        with _asking.postgres(running) as database:
            role = database.execute(_OTHER_ROLE).fetchone()
        if role is None:
            return "the app connects as the same role as the lab, so its connections cannot be told apart"
        before = self.sample(running)["open"]
        with ExitStack() as opened:
            for _ in range(PREFLIGHT):
                opened.enter_context(psycopg.connect(running.dsn, user=role[0], connect_timeout=TIMEOUT_S))
            counted = self.sample(running)["open"] - before
        if counted == PREFLIGHT:
            return ""
        return f"{PREFLIGHT} connections were opened, {counted:.0f} were counted"


_kept: dict[str, Connection[Any]] = {}  # by arm, between blocks: connecting costs more than the question


def _connection(dsn: str) -> Connection[Any]:
    import psycopg

    if dsn not in _kept:
        while len(_kept) >= MOST_KEPT:
            _forget(next(iter(_kept)))
        _kept[dsn] = psycopg.connect(dsn, autocommit=True, connect_timeout=TIMEOUT_S)
    return _kept[dsn]


def _forget(dsn: str) -> None:
    connection = _kept.pop(dsn, None)
    if connection is not None:
        connection.close()
