"""A service gets less CPU than it wants: the quota of its container is too small."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.faults._company import burners, cores_of, cores_used
from lab.faults._service import need_up
from lab.model.dose import Dose
from lab.model.stack import Running, ServiceName

_SLACK = 0.25  # of what was asked: a kernel hands out its quota in slices, to each core by itself


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class CpuLimit:
    """Give ``service`` at most ``cores`` of CPU time per second; healed by taking the limit away."""

    service: ServiceName
    cores: Annotated[float, Field(ge=0.05, le=64)] = 0.2

    needs: ClassVar[frozenset[str]] = frozenset({"cpu-limit"})
    event: ClassVar[str | None] = None

    @property
    def target(self) -> str:
        """The CPU time of the service."""
        return f"cpu of {self.service}"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"unlimit-cpu": service}``. Raises EnvironmentFailed where it is not up, or would not be limited."""
        need_up(running, self.service)
        cores = cores_of(running, self.service)
        if self.cores * (1 + _SLACK) >= cores:
            raise EnvironmentFailed(
                what=f"a limit of {self.cores:g} cores would limit nothing",
                where=f"{self.service} of {running.name}",
                why=f"it has {cores} at most, from which the limit cannot be told ({_SLACK:.0%} of slack)",
                do=f"ask for less than {cores / (1 + _SLACK):g} cores",
            )
        return {"unlimit-cpu": self.service}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Limit the service, yield the cores and by what they are bounded."""
        need_up(running, self.service)
        with running.limit_cpu(self.service, self.cores) as done:
            yield done

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """What it gets while something beside it, under the same limit, wants all there is. In cores."""
        with running.beside(self.service, *burners(math.ceil(self.cores) + 1)):
            used = cores_used(lambda: running.cpu_seconds(self.service))
        dose = Dose(
            what="CPU under full demand",
            unit="cores",
            asked=self.cores,
            delivered=used,
            slack=_SLACK * self.cores,
            counts="at-most",  # other programs may leave it even less
        )
        return (dose,)
