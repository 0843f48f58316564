"""A server that can be connected to and never answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic.dataclasses import dataclass

from lab.faults._toxic import FORM, PartToxic, whole
from lab.model.dose import Dose
from lab.model.stack import Running
from lab.model.units import Seconds


@dataclass(frozen=True, config=FORM, kw_only=True)
class Timeout(PartToxic):
    """Let nothing pass on connections to a service and close them ``after`` that time; at 0s never."""

    after: Seconds

    toxic: ClassVar[str] = "timeout"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.attributes  # noqa: B018 - says what is wrong with it

    @property
    def attributes(self) -> Mapping[str, int]:
        return {"timeout": whole(self.after * 1e3, "after in milliseconds")}

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """The share of new connections without an answer, and when they are closed."""
        return self.ended(running, self.after)
