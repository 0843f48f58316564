"""The shop's connections to Postgres: a pool of a fixed size, opened when the first query needs it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any, cast

from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import NullPool, QueuePool


class Database:
    """Reads run in autocommit, one round trip a statement; writes run in a transaction.

    Every statement carries its business name as a comment inside its text (``SELECT /* ranking */ ...``),
    where pg_stat_statements and the query log keep it.
    """

    def __init__(self, url: str, pool_size: int | None, **options: Any) -> None:
        """``options`` are those of SQLAlchemy's pool. No ``pool_size``: each use opens a connection and closes it."""
        pool: dict[str, Any] = {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": 5.0}
        self._url = make_url(url).set(drivername="postgresql+psycopg")
        self._options: dict[str, Any] = {
            **({"poolclass": NullPool} if pool_size is None else pool | options),
            "connect_args": {
                "application_name": "shop",
                "connect_timeout": 5,
                # A prepared statement turns to a generic plan after some executions on one connection. The
                # ranking's takes three times as long, on whichever connections have been used most.
                "prepare_threshold": None,
            },
        }
        self._engine = create_async_engine(self._url, **self._options)
        self._reader = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._blocking: list[Engine] = []
        self.sessions = async_sessionmaker(self._engine)
        """Sessions of the ORM, each a transaction, in connections of the pool."""

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection for single statements that only read."""
        return self._reader.connect()

    def session(self) -> AsyncSession:
        """A session of the ORM that only reads."""
        return AsyncSession(self._reader)

    def writing(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection in a transaction that commits at the end of the block."""
        return self._engine.begin()

    def blocking(self) -> Engine:
        """For single statements that only read, by code that waits in its thread: a pool of its own."""
        engine = create_engine(self._url, **self._options)
        self._blocking.append(engine)
        return engine.execution_options(isolation_level="AUTOCOMMIT")

    def checked_out(self) -> int:
        """How many of the pool's connections are in use now."""
        return cast(QueuePool, self._engine.pool).checkedout()

    def pools(self) -> list[QueuePool]:
        """The pools of its engines; a database without one has none."""
        pools = [self._engine.pool, *(engine.pool for engine in self._blocking)]
        return [pool for pool in pools if isinstance(pool, QueuePool)]

    async def close(self) -> None:
        for engine in self._blocking:
            engine.dispose()
        await self._engine.dispose()
