"""Connections to a server are reset, as by a machine that has forgotten them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic.dataclasses import dataclass

from lab.faults._toxic import FORM, PartToxic, whole
from lab.model.dose import Dose
from lab.model.stack import Running
from lab.model.units import Seconds


@dataclass(frozen=True, config=FORM, kw_only=True)
class ResetPeer(PartToxic):
    """Reset connections to a service ``after`` that time, at 0s at once; until then nothing passes."""

    after: Seconds = 0.0

    toxic: ClassVar[str] = "reset_peer"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.attributes  # noqa: B018 - says what is wrong with it

    @property
    def attributes(self) -> Mapping[str, int]:
        return {"timeout": whole(self.after * 1e3, "after in milliseconds")}

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """The share of new connections without an answer, and when they end."""
        return self.ended(running, self.after)
