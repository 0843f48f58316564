"""The shop's caches: Redis for all processes, and a small bounded one inside each process."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from cachetools import TTLCache
from redis.asyncio import Redis

TTL_S = 300

Value = TypeVar("Value")


@dataclass
class Reads:
    """How often a cache was asked, and how often it knew."""

    hits: int = 0
    misses: int = 0

    def count(self, hit: bool) -> None:
        if hit:
            self.hits += 1
        else:
            self.misses += 1

    def hit_rate(self) -> float:
        """Share of reads that were answered, 0 where there was none."""
        return self.hits / (self.hits + self.misses) if self.hits + self.misses else 0.0


class Cache:
    """Texts in Redis. Every method raises :class:`redis.RedisError` when Redis does not answer."""

    def __init__(self, redis: Redis, reads: Reads) -> None:
        self.redis = redis
        self.reads = reads

    async def get(self, key: str) -> str | None:
        value = cast(str | None, await self.redis.get(key))  # the clients decode
        self.reads.count(value is not None)
        return value

    async def set(self, key: str, value: str, ttl_s: int = TTL_S) -> None:
        await self.redis.set(key, value, ex=ttl_s)


class LocalCache(Generic[Value]):
    """The newest ``size`` values of this process, each for ``ttl_s`` seconds."""

    def __init__(self, size: int, ttl_s: float, reads: Reads) -> None:
        self._values: TTLCache[Hashable, Value] = TTLCache(size, ttl_s)
        self._reads = reads

    def get(self, key: Hashable) -> Value | None:
        value = self._values.get(key)
        self._reads.count(value is not None)
        return value

    def set(self, key: Hashable, value: Value) -> None:
        self._values[key] = value

    def forget(self, key: Hashable) -> None:
        self._values.pop(key, None)

    def held(self) -> list[Hashable]:
        return list(self._values)

    def size(self) -> int:
        return len(self._values)
