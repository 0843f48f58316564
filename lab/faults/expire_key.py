"""A key of the cache is gone from one moment to the next, as when its time to live runs out under load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.faults._noted import Noted
from lab.faults._redis import asked
from lab.model.dose import Dose
from lab.model.stack import Running

_DELETED: Noted[int] = Noted()


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ExpireKey:
    """Delete ``key`` from Redis. Nothing has to be healed: the app computes the value anew and stores it."""

    key: str

    needs: ClassVar[frozenset[str]] = frozenset({"redis"})
    event: ClassVar[str | None] = "expiry"

    def __post_init__(self) -> None:
        if not self.key:
            raise ValueError("an empty key names nothing: write the key that expires")

    @property
    def target(self) -> str:
        return f"key {self.key}"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """Nothing: the app refills the key by itself. It may be gone already, where the app has not done so yet."""
        return {}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Delete the key, yield ``{"deleted": 0 or 1}``. Raises EnvironmentFailed where Redis is away."""
        with asked(running, f"expire {self.key!r}") as client:
            deleted = int(client.delete(self.key))
        with _DELETED.kept(running, self.target, deleted):
            yield {"deleted": deleted}

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """How many keys Redis said it deleted: the app may have stored the value again since."""
        return (Dose(what="keys gone", unit="keys", asked=1, delivered=_DELETED.of(running, self.target)),)
