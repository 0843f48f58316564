"""Asking a server a question: short time-outs, and a clear word where it does not answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lab.errors import EnvironmentFailed
from lab.model.stack import Running

if TYPE_CHECKING:
    from psycopg import Connection
    from redis import Redis

TIMEOUT_S = 5
_OTHER_ROLE = (
    "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname <> current_user ORDER BY rolsuper LIMIT 1"
)


@contextmanager
def postgres(running: Running, role: str | None = None) -> Iterator[Connection[Any]]:
    """A connection of ``role``, else of the superuser, each statement its own transaction.

    Raises EnvironmentFailed.
    """
    import psycopg

    try:
        with psycopg.connect(running.dsn, user=role, autocommit=True, connect_timeout=TIMEOUT_S) as database:
            yield database
    except psycopg.Error as error:
        raise EnvironmentFailed(
            what="Postgres did not answer a probe",
            where=f"postgres of {running.name}",
            why=f"{error}\n{running.logs('postgres')}",
            do="look at the log of postgres in the run folder",
        ) from error


def app_role(database: Connection[Any]) -> str | None:
    """The role that the app connects as; None where it is the lab's own."""
    role = database.execute(_OTHER_ROLE).fetchone()
    return None if role is None else str(role[0])


@contextmanager
def redis(running: Running) -> Iterator[Redis]:
    """A client of its own that never tries twice. Raises EnvironmentFailed."""
    from redis import Redis
    from redis.exceptions import RedisError

    client = Redis.from_url(
        running.redis_url,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        decode_responses=True,
    )
    try:
        yield client
    except RedisError as error:
        raise EnvironmentFailed(
            what="Redis did not answer a probe",
            where=f"redis of {running.name}",
            why=f"{error}\n{running.logs('redis')}",
            do="look at the log of redis in the run folder",
        ) from error
    finally:
        client.close()


def redis_cli(running: Running) -> str:
    """How a person begins to ask this Redis. A password stays untold: what is shown may be sent to others."""
    host, _, port = (
        running.redis_url.rpartition("@")[2].removeprefix("redis://").partition("/")[0].partition(":")
    )
    return f"redis-cli -h {host} -p {port or 6379}"


def text(answer: object) -> str:
    """An answer of Redis, which is bytes where it is not told to decode."""
    return answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows as text in aligned columns, numbers to the right, like psql."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(line[n]) for line in [list(head), *cells]) for n in range(len(head))]
    numeric = [bool(rows) and all(isinstance(row[n], int | float) for row in rows) for n in range(len(head))]

    def line(values: Sequence[str]) -> str:
        padded = (
            value.rjust(width) if right else value.ljust(width)
            for value, width, right in zip(values, widths, numeric, strict=True)
        )
        return "  ".join(padded).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return "\n".join([line(head), rule, *(line(row) for row in cells)])


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, int):
        return f"{value:,}"
    return " ".join(str(value).split())
