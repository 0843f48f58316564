"""How many connections the app holds to Postgres at one moment: what a missing or leaking pool piles up."""

from __future__ import annotations

import selectors
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.model.stack import Gauge, Running
from lab.probes import _asking

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.pq.abc import PGconn

MOST_KEPT = 16  # connections, of arms that come and go
PREFLIGHT = 5
TIMEOUT_S = 2  # the connection reserved for superusers is there even when all others are taken
_COUNTED = (
    "SELECT count(*), count(*) FILTER (WHERE state = 'active'),"
    " count(*) FILTER (WHERE state LIKE 'idle in transaction%'"
    " AND clock_timestamp() - state_change > interval '500 ms') FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND usename <> current_user"
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
        "idle_in_transaction": Gauge(
            unit="connections",
            scale="difference",
            doc="How many had held a transaction open for half a second without a statement, on average",
            reading="idle in transaction",
            statistic="mean",
        ),
    }

    def sample(self, running: Running) -> Mapping[str, float]:
        """Connections open, active, idle in a transaction now. Raises EnvironmentFailed without an answer."""
        import psycopg

        try:
            with _borrowed(running.dsn) as database:
                told = _answer(database.pgconn)
        except psycopg.Error as error:
            raise EnvironmentFailed(
                what="Postgres did not say how many connections it has",
                where=f"postgres of {running.name}",
                why=str(error),
                do="look at the log of postgres in the run folder",
            ) from error
        return dict(zip(("open", "active", "idle in transaction"), told, strict=True))

    def preflight(self, running: Running) -> str:
        """Open a known number of connections as another role, and read them back at once."""
        import psycopg

        with _asking.postgres(running) as database:
            role = _asking.app_role(database)
        if role is None:
            return "the app connects as the same role as the lab, so its connections cannot be told apart"
        before = self.sample(running)["open"]
        with ExitStack() as opened:
            for _ in range(PREFLIGHT):
                opened.enter_context(psycopg.connect(running.dsn, user=role, connect_timeout=TIMEOUT_S))
            counted = self.sample(running)["open"] - before
        if counted == PREFLIGHT:
            return ""
        return f"{PREFLIGHT} connections were opened, {counted:.0f} were counted"


_kept: dict[str, Connection[Any]] = {}  # by arm, between samples: connecting costs more than the question
_lock = threading.Lock()


@contextmanager
def _borrowed(dsn: str) -> Iterator[Connection[Any]]:
    """A kept connection, nobody else's meanwhile; a new one where it ended since, or failed the last time."""
    import psycopg

    with _lock:
        connection = _kept.pop(dsn, None)
    if connection is None or not _stands(connection.pgconn):
        connection = psycopg.connect(dsn, autocommit=True, connect_timeout=TIMEOUT_S)
    try:
        yield connection
    except BaseException:
        connection.close()
        raise
    with _lock:
        replaced = _kept.pop(dsn, None)
        _kept[dsn] = connection
        oldest = _kept.pop(next(iter(_kept))) if len(_kept) > MOST_KEPT else None
    for one in filter(None, (replaced, oldest)):
        one.close()


def _stands(line: PGconn) -> bool:
    """Whether the server has not ended it meanwhile. Does not wait."""
    from psycopg import OperationalError
    from psycopg.pq import ConnStatus

    try:
        line.consume_input()
    except OperationalError:
        return False
    return line.status == ConnStatus.OK


def _answer(line: PGconn) -> tuple[float, ...]:
    """Ask, and wait ``TIMEOUT_S`` at most: a server that stands still keeps its connections and never answers.
    Raises psycopg.OperationalError."""
    from psycopg import OperationalError
    from psycopg.pq import ExecStatus

    line.send_query(_COUNTED.encode())
    results, ends = [], time.monotonic() + TIMEOUT_S
    with selectors.DefaultSelector() as readable:
        readable.register(line.socket, selectors.EVENT_READ)
        while True:
            while line.is_busy():
                if not readable.select(max(0.0, ends - time.monotonic())):
                    raise OperationalError(f"no answer within {TIMEOUT_S} s")
                line.consume_input()
            result = line.get_result()
            if result is None:
                break
            results.append(result)
    if len(results) != 1 or results[0].status != ExecStatus.TUPLES_OK:
        raise OperationalError(line.get_error_message() or "an answer without numbers")
    return tuple(float(results[0].get_value(0, n) or 0) for n in range(results[0].nfields))
