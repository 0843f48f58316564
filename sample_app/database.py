"""The shop's connections to Postgres: one pool of a fixed size, opened when the first query needs it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import cast

from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import QueuePool


class Database:
    """Reads run in autocommit, one round trip a statement; writes run in a transaction.

    Every statement carries its business name as a comment inside its text (``SELECT /* ranking */ ...``),
    where pg_stat_statements and the query log keep it.
    """

    def __init__(self, url: str, pool_size: int) -> None:
        self._engine = create_async_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=5.0,
            pool_pre_ping=False,
            connect_args={
                "application_name": "shop",
                "connect_timeout": 5,
                # A prepared statement turns to a generic plan after some executions on one connection. The
                # ranking's takes three times as long, on whichever connections have been used most.
                "prepare_threshold": None,
            },
        )
        self._reader = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection for single statements that only read."""
        return self._reader.connect()

    def writing(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection in a transaction that commits at the end of the block."""
        return self._engine.begin()

    def checked_out(self) -> int:
        """How many of the pool's connections are in use now."""
        return cast(QueuePool, self._engine.pool).checkedout()

    async def close(self) -> None:
        await self._engine.dispose()
