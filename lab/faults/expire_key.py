"""A key of the cache is gone from one moment to the next, as when its time to live runs out under load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.model.stack import Running

if TYPE_CHECKING:
    from redis import Redis


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ExpireKey:
    """Delete ``key`` from Redis. Nothing has to be healed: the app computes the value anew and stores it."""

    key: str

    needs: ClassVar[frozenset[str]] = frozenset({"redis"})
    event: ClassVar[str | None] = "expiry"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """Nothing: the app refills the key by itself."""
        return {}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Delete the key, yield ``{"deleted": 0 or 1}``. Raises EnvironmentFailed where Redis is away."""
        yield {"deleted": _delete(running, self.key)}


def _delete(running: Running, key: str) -> int:
    from redis.exceptions import RedisError

    try:
        deleted = _client(running.redis_url).delete(key)
    except RedisError as error:
        raise EnvironmentFailed(
            what=f"could not expire {key!r}",
            where=f"redis of {running.name}",
            why=f"{error}\n{running.logs('redis')}",
            do="look at the log of redis in the run folder",
        ) from error
    return int(deleted)


@lru_cache(maxsize=64)
def _client(url: str) -> Redis:
    # Kept open between blocks: the fault is locked to a moment of the block, and connecting takes longer
    # than the command itself.
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 2))
