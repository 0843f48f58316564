"""Another code path of the app: the variant of a problem module that stands beside ``problem``."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import ArmSpec, Running


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Code:
    """Start the app with ``variant`` in place of ``problem``. The choice is made once, at the arm's start."""

    variant: str

    needs: ClassVar[frozenset[str]] = frozenset({"code"})

    def prepare(self, arm: ArmSpec, module: str) -> ArmSpec:
        """The arm with this variant of ``module`` chosen."""
        return replace(arm, code={**arm.code, module: self.variant})

    def apply(self, running: Running) -> None:
        """Nothing: the arm was started in this condition."""

    def placebo(self, running: Running) -> None:
        """Nothing: starting with another code path has no side effect on a running arm."""
