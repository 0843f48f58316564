"""The app serves by another function, as after a deploy of a bad version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.faults._app import doses, restarted, undo_of
from lab.model.dose import Dose
from lab.model.stack import Running


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class CodePath:
    """Start the app anew with the function ``variant`` of its problem module ``module``; healed by a start
    with the one that the arm was made with."""

    module: str
    variant: str

    needs: ClassVar[frozenset[str]] = frozenset({"app", "code", "restart"})
    event: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        for name in (self.module, self.variant):
            if not name.isidentifier():
                raise ValueError(
                    f"{name!r} is no name of a module or function: write stampede, single_flight"
                )

    @property
    def target(self) -> str:
        return f"code of {self.module}"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"code": {module: None}, "hash": h}``: as the arm was made, so that the app's own hash of how it
        runs is ``h`` again. Raises EnvironmentFailed without an app."""
        return undo_of(running, {"code": {self.module: None}})

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Start the app anew, yield ``{"module": ..., "variant": ..., "hash": h}``. EnvironmentFailed, with the
        app's log, where it knows no such function."""
        with restarted(running, self.target, code={self.module: self.variant}) as config:
            yield {"module": self.module, "variant": self.variant, "hash": config}

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """Whether the app is another process and says that it runs otherwise than before the fault."""
        return doses(running, self.target)
