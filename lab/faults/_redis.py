"""The Redis of an arm as its faults reach it: one client an arm, and settings that go back to what they were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lab.errors import EnvironmentFailed
from lab.model.stack import Running

if TYPE_CHECKING:
    from redis import Redis

_ASKED_S = 5  # longer than the longest slow command


@contextmanager
def asked(running: Running, what: str) -> Iterator[Redis]:
    """A client of the arm's own database; what it raises comes out as EnvironmentFailed, "could not ``what``".

    Not for the time a fault is on: an error of whoever that is would pass for one of Redis.
    """
    from redis.exceptions import RedisError

    if not running.redis_url:
        raise EnvironmentFailed(
            f"could not {what}",
            where=f"redis of {running.name}",
            why="this arm has no Redis",
            do="name redis among the services of the scenario's stack",
        )
    try:
        yield _client(running.redis_url)
    except RedisError as error:
        raise EnvironmentFailed(
            what=f"could not {what}",
            where=f"redis of {running.name}",
            why=f"{error}\n{running.logs('redis')}",
            do="look at the log of redis in the run folder",
        ) from error


@lru_cache(maxsize=64)
def _client(url: str) -> Redis:
    # Kept open between blocks: a fault may be locked to a moment of the block, and connecting takes longer
    # than the command itself.
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Redis.from_url(
        url,
        socket_timeout=_ASKED_S,
        socket_connect_timeout=2,
        retry=Retry(NoBackoff(), 2),
        decode_responses=True,
    )


def settings(running: Running, names: Sequence[str]) -> dict[str, str]:
    """What CONFIG GET says of these parameters. Raises EnvironmentFailed."""
    with asked(running, "read the settings of Redis") as client:
        return {name: str(client.config_get(name)[name]) for name in names}


@contextmanager
def set_to(running: Running, wanted: Mapping[str, str]) -> Iterator[None]:
    """Parameters set to these values, as CONFIG GET writes them, for as long as the context lasts.

    Those that somebody else has changed meanwhile stay as they are, and so does a server that is down: the
    next start reads its own settings.
    """
    before = settings(running, tuple(wanted))
    try:
        _set(running, wanted)
        yield
    finally:
        if running.alive("redis"):
            now = settings(running, tuple(wanted))
            _set(running, {name: before[name] for name in wanted if now[name] == wanted[name]})


def _set(running: Running, values: Mapping[str, str]) -> None:
    pairs: list[Any] = [text for pair in values.items() for text in pair]
    if pairs:
        with asked(running, f"set {' and '.join(values)} of Redis") as client:
            client.execute_command("CONFIG", "SET", *pairs)  # type: ignore[no-untyped-call]
