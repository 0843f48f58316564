"""Everybody wants the same thing: most requests ask for one key, as when one product is in the news."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import LabError
from lab.faults._load import AskedOtherwise
from lab.model.dose import Dose
from lab.model.scenario import Request
from lab.model.units import Share

if TYPE_CHECKING:
    from lab.model.load import BlockLoad, BlockOrder

_SLACK = 4.0  # standard deviations of a share of so many draws


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class HotKey(AskedOtherwise):
    """Put ``value`` for ``placeholder`` in ``share`` of the requests named ``request``."""

    request: str
    placeholder: str
    value: int
    share: Share = 0.8

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError("a hot key has a share above 0% and at most 100%")

    @property
    def target(self) -> str:
        return f"{{{self.placeholder}}} of {self.request}"

    def shape(self, order: BlockOrder) -> BlockOrder:
        """The order with the hot value, and with the value in the samples. LabError where there is no such
        placeholder, or another one is observed."""
        found = {request.name: request for request in order.requests}.get(self.request)
        if found is None or self.placeholder not in found.values:
            raise LabError(
                f"no request {self.request!r} has a placeholder {{{self.placeholder}}}",
                why=f"the load has {', '.join(_placeholders(order)) or 'no placeholders'}",
                do="name one of the placeholders of the load's requests",
            )
        if found.observe.key not in ("", self.placeholder):
            raise LabError(
                f"the samples of {self.request!r} tell {{{found.observe.key}}}, not {{{self.placeholder}}}",
                why="a fault that cannot be measured is none",
                do=f"write observe: {{key: {self.placeholder}}}, or heat {found.observe.key}",
            )
        from lab.model.load import Hot  # with numpy, which whoever only lists the kinds need not wait for

        seen = replace(found, observe=replace(found.observe, key=self.placeholder))
        hot = Hot(request=self.request, placeholder=self.placeholder, value=self.value, share=self.share)
        return replace(
            order,
            requests=tuple(seen if request is found else request for request in order.requests),
            hot=(*order.hot, hot),
        )

    def dose_of(self, order: BlockOrder, load: BlockLoad) -> tuple[Dose, ...]:
        """The share of the requests sent that were about the hot value; the law may have drawn it, too."""
        rows = load.samples[load.samples["sent_ns"] > 0]
        keys = rows["key"][rows["name"] == load.names.index(self.request)]
        slack = _SLACK * math.sqrt(self.share * (1 - self.share) / max(keys.size, 1))
        return (
            Dose(
                what=f"requests for {self.placeholder} {self.value}",
                unit="%",
                asked=100 * self.share,
                delivered=100 * float((keys == self.value).mean()) if keys.size else None,
                slack=100 * slack,
                counts="at-least",
            ),
        )


def _placeholders(order: BlockOrder) -> list[str]:
    def of(request: Request) -> list[str]:
        return [f"{{{name}}} of {request.name}" for name in request.values]

    return [name for request in order.requests for name in of(request)]
