"""Faults of the load: they change what is asked, and leave the stack alone. See ``lab.model.load.Shaping``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from lab.model.dose import Dose
from lab.model.stack import Running


class AskedOtherwise:
    """What all of them have in common: in the stack there is nothing to do, to measure or to heal."""

    needs: ClassVar[frozenset[str]] = frozenset({"load"})
    event: ClassVar[str | None] = None

    def undo(self, running: Running) -> Mapping[str, Any]:
        """Nothing: the next order is without it."""
        return {}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Nothing is done to the stack: ``shape`` is applied to the orders."""
        yield {}

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """None of the stack: ``dose_of`` tells it from the samples of a block."""
        return ()
