"""Many keys of the cache are gone at once, as when they were all stored at the same moment with the same life."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.faults._noted import Noted
from lab.faults._redis import asked
from lab.model.dose import Dose
from lab.model.stack import Running

if TYPE_CHECKING:
    from redis import Redis

_BATCH = 1000
_DELETED: Noted[int] = Noted()


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ExpirePattern:
    """Delete all keys that match ``pattern`` (as SCAN takes it: ``product:*``); the app stores them anew."""

    pattern: str

    needs: ClassVar[frozenset[str]] = frozenset({"redis"})
    event: ClassVar[str | None] = "expiry"

    def __post_init__(self) -> None:
        if not self.pattern.strip("*"):
            raise ValueError(f"{self.pattern!r} is every key: that is the fault flush")

    @property
    def target(self) -> str:
        return f"keys {self.pattern}"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """Nothing: the app refills them by itself. Raises EnvironmentFailed where no key matches."""
        with asked(running, f"look for keys {self.pattern!r}") as client:
            found = next(client.scan_iter(match=self.pattern, count=_BATCH), None)
        if found is None:
            raise EnvironmentFailed(
                what=f"no key matches {self.pattern!r}",
                where=f"redis of {running.name}",
                why="the fault expires keys that have to be there first",
                do="have the load fill the cache before, or correct the pattern (redis-cli: --scan --pattern)",
            )
        return {}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Delete what matches, in batches, yield ``{"deleted": n}``. Raises EnvironmentFailed."""
        with asked(running, f"expire {self.pattern!r}") as client:
            deleted = sum(int(client.unlink(*keys)) for keys in _batches(client, self.pattern))
        with _DELETED.kept(running, self.target, deleted):
            yield {"deleted": deleted}

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """How many keys Redis said it deleted: the app may have stored some again since."""
        gone = _DELETED.of(running, self.target)
        return (Dose(what="keys gone", unit="keys", asked=1, delivered=gone, counts="at-least"),)


def _batches(client: Redis, pattern: str) -> Iterator[list[Any]]:
    cursor: int | None = None
    while cursor != 0:
        cursor, keys = client.scan(cursor or 0, match=pattern, count=_BATCH)
        if keys:
            yield keys
