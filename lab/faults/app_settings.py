"""The app runs with other settings, as after a deploy whose settings were wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.faults._app import doses, restarted, undo_of
from lab.model.dose import Dose
from lab.model.stack import Running

_NOT_HERE = {
    "database_url": "the app stays with the servers of its own arm",
    "redis_url": "the app stays with the servers of its own arm",
    "code": "that is the fault code-path",
}


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class AppSettings:
    """Start the app anew with the settings in ``set`` (``{pool_size: 1}``), and with its own when healed."""

    set: Mapping[str, str | int | float | bool]

    needs: ClassVar[frozenset[str]] = frozenset({"app", "restart"})
    event: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        if not self.set:
            raise ValueError("no setting is named: write set: {pool_size: 1}")
        for name in self._named & _NOT_HERE.keys():
            raise ValueError(f"{name} cannot be set here: {_NOT_HERE[name]}")

    @property
    def _named(self) -> frozenset[str]:
        return frozenset(name.lower() for name in self.set)

    @property
    def target(self) -> str:
        return f"settings {', '.join(sorted(self._named))} of the app"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"settings": {name: None}, "hash": h}``: each as the arm was made, so that the app's own hash of its
        settings is ``h`` again. Raises EnvironmentFailed without an app."""
        return undo_of(running, {"settings": dict.fromkeys(sorted(self._named))})

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Start the app anew, yield ``{"set": settings, "hash": h}``. EnvironmentFailed with its log where it refuses
        them."""
        wanted = {name.lower(): value for name, value in self.set.items()}
        with restarted(running, self.target, settings=wanted) as config:
            yield {"set": wanted, "hash": config}

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """Whether the app is another process and says that it runs otherwise than before the fault."""
        return doses(running, self.target)
