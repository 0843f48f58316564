"""What a fault saw on the live target at the moment it was done: its dose is told from what was before."""

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

    def put(self, running: Running, target: str, value: T) -> None:
        """Keep ``value`` until another comes: what shows, after the undo, whether all is as it was."""
        self._values[running.url, target] = value

    def of(self, running: Running, target: str) -> T | None:
        """None where nothing is kept."""
        return self._values.get((running.url, target))
