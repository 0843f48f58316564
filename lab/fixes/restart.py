"""A service is restarted, as a person does who hopes that it helps."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import ArmSpec, Running, ServiceName


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Restart:
    """Ask ``service`` to end and start it again on its old address, while the load is on. Redis comes back empty."""

    service: ServiceName

    needs: ClassVar[frozenset[str]] = frozenset({"restart"})

    def prepare(self, arm: ArmSpec, module: str) -> ArmSpec:
        """The arm as it is: it is started like any other, and then once more."""
        return arm

    def apply(self, running: Running) -> None:
        """Returns when the service answers again. Raises EnvironmentFailed where it does not."""
        running.restart(self.service)

    def placebo(self, running: Running) -> None:
        """Nothing. Where the restart is the whole of the fix, an arm that was restarted as well would have it too,
        and it would be compared with itself."""
