"""The instances behind the balancer, and what it knows of each: the state that every policy decides by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from sample_app.balancer.connections import Connections
from sample_app.logs import log


@dataclass(kw_only=True, eq=False)
class Backend:
    """One instance. ``in_flight`` requests wait for its answer now; the other numbers count since the start.

    ``weight`` is for policies that look at it: a backend of twice the capacity gets twice the weight.
    """

    name: str
    url: str
    connections: Connections
    weight: float = 1.0
    healthy: bool = True
    in_flight: int = 0
    picked: int = 0
    failed: int = 0
    transitions: int = 0
    ejections: int = 0


class Backends(Sequence[Backend]):
    """All of them, in the order of the settings, whether or not they are in rotation."""

    def __init__(self, urls: Sequence[str], connect_timeout_s: float = 1.0) -> None:
        self._all = [
            Backend(
                name=f"app-{number}",
                url=url,
                connections=Connections(*_address(url), connect_timeout_s=connect_timeout_s),
            )
            for number, url in enumerate(urls, start=1)
        ]
        self._log = log("shop.balancer")

    def __getitem__(self, index: int) -> Backend:  # type: ignore[override]  # nobody takes a slice
        return self._all[index]

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Backend]:
        return iter(self._all)

    def in_rotation(self) -> list[Backend]:
        """Those that are held to be healthy."""
        return [backend for backend in self._all if backend.healthy]

    def mark(self, backend: Backend, healthy: bool, why: str = "") -> None:
        """Take a backend out of the rotation or back in; nothing where that is how it is."""
        if backend.healthy == healthy:
            return
        backend.healthy = healthy
        backend.transitions += 1
        backend.ejections += not healthy
        said = "backend back in rotation" if healthy else "backend out of rotation"
        self._log.warning(said, backend=backend.name, why=why, in_rotation=len(self.in_rotation()))

    def close(self) -> None:
        for backend in self._all:
            backend.connections.close()


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 80
