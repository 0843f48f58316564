"""What a fault saw at the moment it was done, kept until it is healed: its dose is told from what was before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from lab.model.stack import Running

T = TypeVar("T")


class Noted(Generic[T]):
    """One value for each arm and target. Faults are data and keep nothing themselves."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], T] = {}

    @contextmanager
    def kept(self, running: Running, target: str, value: T) -> Iterator[None]:
        """Keep ``value`` for as long as the context lasts."""
        self._values[running.url, target] = value
        try:
            yield
        finally:
            self._values.pop((running.url, target), None)

    def of(self, running: Running, target: str) -> T | None:
        """None where the fault is not on."""
        return self._values.get((running.url, target))
