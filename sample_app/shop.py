"""What every route works with: the settings, the database and the caches of one process."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from sqlalchemy.pool import QueuePool

from sample_app.cache import Cache, LocalCache, Reads
from sample_app.database import Database
from sample_app.metrics import Metrics
from sample_app.settings import Settings


class Shop:
    """Nothing here connects before it is used, so the app starts whatever its neighbours do."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._databases: list[Database] = []
        self.database = self.connect_database(settings.pool_size)
        self.reads = Reads()
        self.local: LocalCache[int] = LocalCache(size=1000, ttl_s=30, reads=self.reads)
        self.metrics = Metrics()
        self._clients: list[Redis] = []
        self.cache = self.connect_cache()
        self.metrics.watch("shop_pool_in_use", "Database connections in use", self.database.checked_out)
        self.metrics.watch("shop_cache_hits", "Cache reads answered so far", lambda: self.reads.hits)
        self.metrics.watch("shop_cache_misses", "Cache reads not answered so far", lambda: self.reads.misses)

    def connect_database(self, pool_size: int | None, **options: Any) -> Database:
        """A database with a pool of its own, or none; see :class:`Database`."""
        database = Database(self.settings.database_url, pool_size, **options)
        self._databases.append(database)
        return database

    def pools(self) -> list[QueuePool]:
        """Of all its databases, that of most routes first."""
        return [pool for database in self._databases for pool in database.pools()]

    def connect_cache(self, pool: type[ConnectionPool] = ConnectionPool, **options: Any) -> Cache:
        """A cache with a connection pool of its own; ``options`` are redis-py's.

        A client made around a pool does not retry by itself (``Redis(host=...)`` would, ten times), so
        with no options a dead Redis is an error within milliseconds and a silent one after 5 s.
        """
        client = Redis(
            connection_pool=pool.from_url(self.settings.redis_url, decode_responses=True, **options)
        )
        self._clients.append(client)
        return Cache(client, self.reads)

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose(close_connection_pool=True)
        for database in self._databases:
            await database.close()


async def _of_request(request: Request) -> Shop:  # async, or FastAPI would send it through a thread
    shop: Shop = request.app.state.shop
    return shop


TheShop = Annotated[Shop, Depends(_of_request)]

__all__ = ["BlockingConnectionPool", "Cache", "Shop", "TheShop"]
