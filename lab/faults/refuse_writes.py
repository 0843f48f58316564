"""The cache can be read and no longer written: full, without its replicas, or a replica itself after a failover."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Literal
from uuid import uuid4

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.faults._redis import asked, set_to, settings
from lab.model.dose import Dose
from lab.model.stack import Running

How = Literal["min-replicas", "oom", "readonly"]
_SETTINGS: Mapping[str, Mapping[str, str]] = {
    "min-replicas": {"min-replicas-to-write": "1"},
    "oom": {"maxmemory": "1", "maxmemory-policy": "noeviction"},
}
_SAID = {
    "min-replicas": "not enough good replicas",
    "oom": "used memory > 'maxmemory'",
    "readonly": "read only replica",
}


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class RefuseWrites:
    """Have Redis refuse writes: NOREPLICAS (``min-replicas``), OOM (``oom``) or READONLY (``readonly``).

    ``readonly`` makes the server a replica of itself: it never finds its primary, and keeps its data.
    """

    how: How

    needs: ClassVar[frozenset[str]] = frozenset({"redis"})
    event: ClassVar[str | None] = None

    @property
    def target(self) -> str:
        return "writes of redis"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"config": parameters as they are}`` or ``{"command": what ends it}``."""
        if self.how in _SETTINGS:
            return {"config": settings(running, tuple(_SETTINGS[self.how]))}
        settings(running, ("port",))  # the server has to be there
        return {"command": "REPLICAOF NO ONE"}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Refuse, yield ``{"refused": how}``, and take back what is still so."""
        refusing = set_to(running, _SETTINGS[self.how]) if self.how in _SETTINGS else _replica(running)
        with refusing:
            yield {"refused": self.how}

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """Whether a SET is refused in just these words while a GET is answered."""
        from redis.exceptions import ResponseError

        key, refused = f"lab:{uuid4().hex}", False
        with asked(running, "ask Redis for a write") as client:
            try:
                client.set(key, "1", px=1)
            except ResponseError as error:
                refused = _SAID[self.how] in str(error).lower()
            read = client.get(key) is None or not refused
        return (
            Dose(what="writes refused", unit="of 1", asked=1, delivered=int(refused)),
            Dose(what="reads answered", unit="of 1", asked=1, delivered=int(read)),
        )


@contextmanager
def _replica(running: Running) -> Iterator[None]:
    try:
        with asked(running, "make Redis a replica") as client:
            client.replicaof("127.0.0.1", client.config_get("port")["port"])
        yield
    finally:
        if running.alive("redis"):
            with asked(running, "make Redis a primary again") as client:
                if client.info("replication")["role"] != "master":
                    client.replicaof("NO", "ONE")
