"""Something else on the same machine takes CPU time that a service wants: a backup, a neighbour, a runaway job."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from lab.faults._company import burners, cores_used, cpu_seconds
from lab.faults._service import need_up
from lab.model.dose import Dose
from lab.model.stack import Running, ServiceName
from lab.model.units import Share

_LEFT = 0.5
_SEEN_S, _LOOK_S = 2.0, 0.01


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class CpuStress:
    """Run ``workers`` busy loops beside ``service``, each for ``share`` of the time; healed by ending them."""

    service: ServiceName
    workers: Annotated[int, Field(ge=1, le=64)] = 2
    share: Annotated[Share, Field(ge=0.1, le=1)] = 1.0

    needs: ClassVar[frozenset[str]] = frozenset({"stress"})
    event: ClassVar[str | None] = None

    @property
    def target(self) -> str:
        """What runs beside the service."""
        return f"cpu beside {self.service}"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"end": "beside SERVICE"}``. Raises EnvironmentFailed where it is not up."""
        need_up(running, self.service)
        return {"end": f"beside {self.service}"}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Start the loops, yield ``{"workers": n, "share": s}``, end them."""
        need_up(running, self.service)
        with running.beside(self.service, *burners(self.workers, self.share)):
            self._seen(running)
            yield {"workers": self.workers, "share": self.share}

    def _seen(self, running: Running) -> None:
        """Wait until their processes are there: an engine starts a program after it has said so.

        Those of an engine on another machine never are; the dose says that it is not measurable then.
        """
        waiter, last = threading.Event(), time.monotonic() + _SEEN_S
        while not running.pids(self.service, beside=True) and time.monotonic() < last:
            waiter.wait(_LOOK_S)

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """CPU seconds per second of the loops. At least half of what they want: others want the cores too."""
        wanted = self.workers * self.share
        used = None
        if running.pids(self.service, beside=True):
            used = cores_used(lambda: cpu_seconds(running, self.service))
        return (
            Dose(
                what="CPU taken",
                unit="cores",
                asked=wanted,
                delivered=used,
                slack=(1 - _LEFT) * wanted,
                counts="at-least",
            ),
        )
