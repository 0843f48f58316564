"""The whole cache is gone at once, as after a deploy that flushes it: FLUSHDB."""

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

_KEYS: Noted[tuple[int, int]] = Noted()


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Flush:
    """Empty the arm's database; the app stores anew what it needs."""

    needs: ClassVar[frozenset[str]] = frozenset({"redis"})
    event: ClassVar[str | None] = "flush"

    @property
    def target(self) -> str:
        return "redis"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """Nothing: the app refills the cache by itself. Raises EnvironmentFailed where Redis does not answer."""
        with asked(running, "look at the cache") as client:
            client.ping()
        return {}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Flush, yield ``{"keys": before, "left": after}``, all of one moment. Raises EnvironmentFailed."""
        with asked(running, "flush the cache") as client, client.pipeline(transaction=True) as together:
            together.dbsize()
            together.flushdb()
            together.dbsize()
            before, _, left = together.execute()
        with _KEYS.kept(running, self.target, (int(before), int(left))):
            yield {"keys": int(before), "left": int(left)}

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """How many keys Redis had right before and right after: the app may have stored some again since."""
        before, left = _KEYS.of(running, self.target) or (None, None)
        return (
            Dose(what="keys gone", unit="keys", asked=1, delivered=before, counts="at-least"),
            Dose(what="keys left", unit="keys", asked=0, delivered=left),
        )
