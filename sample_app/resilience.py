"""Caches that may fail: what a page does when Redis does not answer.

:class:`ResilientCache` catches, :class:`GuardedCache` stays away. Both say in the log that Redis is gone, and
both answer as a cache that knows nothing: the caller goes to the database.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from redis import RedisError

from sample_app.cache import Cache
from sample_app.logs import Throttle, log


class Outage:
    """Says that the cache does not answer, at most once a second however many requests notice."""

    def __init__(self) -> None:
        self._throttle = Throttle()

    def note(self, error: Exception) -> None:
        if self._throttle.allows():
            log("shop.cache").error("cache error", held_back=self._throttle.held_back(), exc_info=error)


class ResilientCache:
    """A cache that never raises. Time-outs are redis-py's own (5 s): the documented fix sets none."""

    ATTEMPTS = 3

    def __init__(self, connect: Callable[[], Cache]) -> None:
        self._new_cache = connect
        self._cache: Cache | None = None
        self._outage = Outage()

    async def get(self, key: str) -> str | None:
        try:
            return await (await self._connected()).get(key)
        except (RedisError, OSError) as error:
            self._outage.note(error)
            return None

    async def set(self, key: str, value: str, ttl_s: int) -> None:
        try:
            await (await self._connected()).set(key, value, ttl_s)
        except (RedisError, OSError) as error:
            self._outage.note(error)

    async def _connected(self) -> Cache:
        """The cache. The first time, up to three attempts to reach it, 1 s and 2 s apart."""
        if self._cache is not None:
            return self._cache
        cache = self._new_cache()
        for attempt in range(self.ATTEMPTS):
            try:
                await cache.redis.ping()
                break
            except (RedisError, OSError):
                if attempt == self.ATTEMPTS - 1:
                    raise
                await asyncio.sleep(2**attempt)
        self._cache = cache
        return cache


class GuardedCache:
    """A cache that never raises and, once it fails, is not asked again for a while."""

    FAILURES = 3
    OPEN_S = 2.0

    def __init__(self, cache: Cache, clock: Callable[[], float] = time.monotonic) -> None:
        self._cache = cache
        self._clock = clock
        self._failures = 0
        self._closed_to = 0.0  # no request before this moment; the one that comes first after it probes
        self._outage = Outage()

    async def get(self, key: str) -> str | None:
        return await self._guarded(lambda: self._cache.get(key))

    async def set(self, key: str, value: str, ttl_s: int) -> None:
        await self._guarded(lambda: self._cache.set(key, value, ttl_s))

    async def _guarded(self, call: Callable[[], Awaitable[str | None]]) -> str | None:
        if not self._lets_through():
            return None
        try:
            answer = await call()
        except (RedisError, OSError) as error:
            self._failed(error)
            return None
        self._failures = 0
        return answer

    def _lets_through(self) -> bool:
        if self._failures < self.FAILURES:
            return True
        if self._clock() < self._closed_to:
            return False
        self._closed_to = self._clock() + self.OPEN_S  # the others stay away while this one probes
        return True

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        self._closed_to = self._clock() + self.OPEN_S
        self._outage.note(error)
