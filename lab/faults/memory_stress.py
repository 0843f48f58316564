"""Something else on the same machine takes memory, and touches each page of it: a leak, a batch job."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.faults._company import holder, memory_of, private_bytes
from lab.faults._service import need_up, start_again
from lab.model.dose import Dose
from lab.model.stack import Running, ServiceName
from lab.model.units import Bytes

_SLACK = 0.05
_FILLED_S = 30.0
_LOOK_S = 0.05
_LEFT_BYTES, _LEFT_SHARE = 500e6, 0.1


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class MemoryStress:
    """Hold ``bytes`` of memory beside ``service``, under its limits; healed by ending what holds them.

    Refused where less than 500 MB of the machine's memory would be left, or less than a tenth of it.
    """

    service: ServiceName
    bytes: Annotated[Bytes, Field(ge=1e6, le=64e9)]

    needs: ClassVar[frozenset[str]] = frozenset({"stress"})
    event: ClassVar[str | None] = None

    @property
    def target(self) -> str:
        """What runs beside the service."""
        return f"memory beside {self.service}"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"end": "beside SERVICE"}``. Raises EnvironmentFailed where it is not up, or the memory is needed."""
        need_up(running, self.service)
        self._room(running)
        return {"end": f"beside {self.service}"}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Fill the memory, yield ``{"bytes": n}``, give it back. EnvironmentFailed where it is not granted."""
        need_up(running, self.service)
        self._room(running)
        try:
            with running.beside(self.service, *holder(self.bytes)):
                self._filled(running)
                yield {"bytes": self.bytes}
        finally:
            start_again(running, self.service)  # under one limit with the holder it may have been killed

    def _room(self, running: Running) -> None:
        free, total = memory_of(running, self.service)
        if free - self.bytes < max(_LEFT_BYTES, _LEFT_SHARE * total):
            raise EnvironmentFailed(
                what=f"will not hold {self.bytes / 1e6:g} MB of memory",
                where=f"beside {self.service} of {running.name}",
                why=f"{free / 1e6:.0f} MB of {total / 1e6:.0f} MB are free, and others need memory too",
                do="ask for less, or end other programs: 500 MB and a tenth of the memory have to be left",
            )

    def _filled(self, running: Running) -> None:
        waker, most = threading.Event(), 0
        for _ in range(round(_FILLED_S / _LOOK_S)):
            held = private_bytes(running, self.service)
            if held >= (1 - _SLACK) * self.bytes:
                return
            most = max(most, held)
            waker.wait(_LOOK_S)
        raise EnvironmentFailed(
            what=f"could not hold {self.bytes / 1e6:g} MB beside {self.service}",
            where=running.name,
            why=f"after {_FILLED_S:g} s no more than {most / 1e6:.0f} MB had been held",
            do="ask for less than the memory limit and the free memory of the machine",
        )

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """Anonymous memory of what runs beside the service, as the kernel counts it."""
        held = private_bytes(running, self.service)
        slack = _SLACK * self.bytes
        return (Dose(what="memory held", unit="bytes", asked=self.bytes, delivered=held, slack=slack),)
