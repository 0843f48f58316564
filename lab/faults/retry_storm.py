"""Clients that try again at once, and never stop in time: what makes a lasting overload of a short one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import LabError
from lab.faults._load import AskedOtherwise
from lab.model.dose import Dose
from lab.model.units import Seconds

if TYPE_CHECKING:
    from lab.model.load import BlockLoad, BlockOrder

_MOST = 100
_LEAST_S = 0.02  # the generator looks every 10 ms for tries that take too long
_ROUNDING_S = 1e-9
_SLACK = 0.01  # of what is asked: a request that had to wait for a connection may run out of time before


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class RetryStorm(AskedOtherwise):
    """Ask each request that failed again, up to ``tries`` times in all, ``after`` its failure, which a try without
    an answer is after ``timeout``: without jitter, without a budget. A request counts from its due moment to its
    first good answer or its last failure."""

    tries: int
    timeout: Seconds
    after: Seconds = 0.0

    def __post_init__(self) -> None:
        if not 2 <= self.tries <= _MOST:
            raise ValueError(f"clients that try again have 2 to {_MOST} tries")
        if self.timeout < _LEAST_S:
            raise ValueError(f"a client waits for its answer for {_LEAST_S * 1e3:g}ms or longer")

    @property
    def target(self) -> str:
        return "load"

    def shape(self, order: BlockOrder) -> BlockOrder:
        """The order with clients that try again. LabError for closed load and for journeys, whose users do what
        their code says, and where a request times out before its tries are over."""
        if order.users or order.locustfile is not None or not order.requests:
            raise LabError(
                "these users cannot be made to try again",
                why="only requests at a rate are tried again; users and journeys ask when their code says so",
                do="write load.rate and load.requests, or leave the retry-storm out",
            )
        needed = self.tries * self.timeout + (self.tries - 1) * self.after
        if needed > order.timeout_s + _ROUNDING_S:
            raise LabError(
                f"{self.tries} tries can take {needed:g} s, but a request times out after {order.timeout_s:g} s",
                why="the last tries would never be made",
                do="make load.timeout longer, or the timeout of a try shorter",
            )
        from lab.model.load import Retry  # with numpy, which whoever only lists the kinds need not wait for

        retry = Retry(tries=self.tries, after_s=self.after, timeout_s=self.timeout)
        return replace(order, retry=retry)

    def dose_of(self, order: BlockOrder, load: BlockLoad) -> tuple[Dose, ...]:
        """Of the requests whose first try failed, how many were asked again; and how often those were asked that
        failed for good. Not known where none failed."""
        rows = load.samples[load.samples["sent_ns"] > 0]
        lost = rows["error"] > 0
        again = rows["tries"][lost | (rows["tries"] > 1)] > 1
        share = Dose(
            what="failed requests that were tried again",
            unit="%",
            asked=100,
            delivered=100 * float(again.mean()) if again.size else None,
            slack=100 * _SLACK,
        )
        if not lost.any():
            return (share,)
        tries = float(rows["tries"][lost].mean())
        slack = _SLACK * self.tries
        return share, Dose(
            what="tries of what failed", unit="tries", asked=self.tries, delivered=tries, slack=slack
        )
