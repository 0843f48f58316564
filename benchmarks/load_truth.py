"""Does the generator tell the truth about a server that stalls? Percentiles against those computed from its log."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from statistics import median
from typing import Literal, get_args

import numpy as np
from parts.findings import Cell, Findings, Goal, Options, Table, run_program, say
from parts.ours import Ask, Driver, driver
from parts.peers import Stock
from parts.processes import cores, may_be_realtime
from parts.servers import Account, KnownServer, known
from parts.timer import NS
from parts.truth import Points, calm, even, points, true_latency

from lab.model.scenario import Request, Stage

SERVICE_S = 0.02  # known, and long enough that 2 % of it is more than what the loopback takes
RATE = 200.0
STALLS_S = (0.1, 0.5, 1.0)
EVERY = 5  # a stall takes the last fifth of each cycle, so that p90 lies in the middle of the stalls
CLOSED_USERS, THROUGHPUT_USERS = 10, 20
TIMEOUT_S = 5.0
WITHIN = 0.02
GOLDEN = 0.618
NAMES = ("p50", "p90", "p99", "max")
LOOK = Request(name="look", get="/products/17")

Law = Literal["constant", "poisson"]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What one generator said in one window, and what was true; ``n`` requests."""

    stall_s: float
    who: str
    n: int
    said: Points
    truth: Points
    planned: bool = True  # the due moments were those of the plan


def main() -> int:
    return run_program("load_truth", __doc__ or "", measure)


def measure(options: Options) -> Findings:
    stands, realtime = cores(), may_be_realtime()
    told: list[Told] = []
    stalls_s = STALLS_S[:2] if options.quick else STALLS_S
    with (
        known(options.folder, stands.server, SERVICE_S, realtime=realtime) as server,
        driver(options.folder, stands.generator) as ours,
    ):
        for n in range(options.rounds):
            for stall_s in stalls_s:
                say(f"round {n + 1}/{options.rounds}: stalls of {stall_s:g} s")
                told += [_ours(server, ours, stall_s, law, n) for law in get_args(Law)]
                told += _stock(options, server, stall_s, stands.generator, realtime)
        scheduling = ours.scheduling
    return Findings(
        tables=[_table(told)],
        goals=_goals(told),
        notes=[
            f"every cycle ends with a stall, a fifth of its length; service {SERVICE_S * 1e3:.0f} ms by a timer;"
            f" {RATE:.0f} requests a second where a rate can be asked; driver's scheduling {scheduling}",
            "truth: of the driver, for its planned moments; of the closed ones, for arrivals spread evenly",
        ],
    )


def length_of(stall_s: float) -> float:
    """Seconds of a window: whole cycles, 5 s or a little more."""
    cycle_s = EVERY * stall_s
    return cycle_s * max(1, round(5.0 / cycle_s))


def stalls_in(start_ns: int, stall_s: float, length_s: float) -> list[tuple[int, float]]:
    """The stalls of a window: each closes its cycle, but for the service time of the last request.

    They begin between two evenly spaced arrivals, never at one, where a tenth of a millisecond on the way
    would decide for all cycles at once; and not always at the same place between them.
    """
    cycle_s = EVERY * stall_s
    first_s = cycle_s - stall_s - 2 * SERVICE_S
    moments_s = (
        first_s + k * cycle_s + (0.35 + 0.3 * (k * GOLDEN % 1)) / RATE
        for k in range(round(length_s / cycle_s))
    )
    return [(start_ns + round(at_s * NS), stall_s) for at_s in moments_s]


def _service_s(account: Account) -> float:
    """What the server says that a request takes; what it was told to take, where no request was left in peace."""
    times_s = calm(account.read_ns, account.done_ns, account.stalls)
    return float(np.median(times_s)) if times_s.size else SERVICE_S


def _ours(server: KnownServer, ours: Driver, stall_s: float, law: Law, n: int) -> Told:
    length_s = length_of(stall_s)
    stages = (Stage(rate=RATE, length=length_s),)
    start_ns = ours.start_ns(stages)
    ask = Ask(
        url=server.url, requests=(LOOK,), stages=stages, arrivals=law, seed=n + 1, timeout_s=TIMEOUT_S,
        start_ns=start_ns,
    )  # fmt: skip
    server.account()
    server.stall(stalls_in(start_ns, stall_s, length_s))
    load = ours.play(ask).load
    account = server.account()
    service_s = _service_s(account)
    due = load.samples["due_ns"].astype(np.int64)
    return Told(
        stall_s=stall_s,
        who=f"the lab's driver, {law}",
        n=len(due),
        said=points(load.latency_s),
        truth=points(true_latency(due, account.stalls, service_s)),
        planned=law == "poisson"
        or bool(np.abs(due - even(start_ns, length_s, round(RATE * length_s))).max() <= 1),
    )


def _stock(
    options: Options, server: KnownServer, stall_s: float, core: int, realtime: bool
) -> Iterator[Told]:
    length_s = length_of(stall_s)
    for kind, users, who in (
        ("Closed", CLOSED_USERS, f"Locust, {CLOSED_USERS} users"),
        ("Throughput", THROUGHPUT_USERS, f"Locust, constant_throughput, {THROUGHPUT_USERS} users"),
    ):
        log = options.folder / f"{kind}.log"
        with contextlib.closing(
            Stock(kind, users, server.url, core=core, realtime=realtime, log=log)
        ) as stock:
            server.account()
            start_ns = time.monotonic_ns() + NS // 4
            server.stall(stalls_in(start_ns, stall_s, length_s))
            window = stock.window(length_s, start_ns)
        account = server.account()
        service_s = _service_s(account)
        arrivals = even(start_ns, length_s, round(RATE * length_s))
        yield Told(
            stall_s=stall_s,
            who=who,
            n=window.requests,
            said=Points(window.p50_s, window.p90_s, window.p99_s, window.max_s),
            truth=points(true_latency(arrivals, account.stalls, service_s)),
        )


def _table(told: list[Told]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for stall_s in dict.fromkeys(one.stall_s for one in told):
        for who in dict.fromkeys(one.who for one in told):
            rounds = [one for one in told if (one.stall_s, one.who) == (stall_s, who)]
            cells: list[Cell] = []
            for k, _ in enumerate(NAMES):
                said = median(astuple(one.said)[k] for one in rounds) * 1e3
                cells += [f"{said:.1f}", f"{_off(rounds, k):+.1%}"]
            rows.append((stall_s, who, int(median(one.n for one in rounds)), *cells))
    columns = ["stall s", "generator", "requests"]
    for name in NAMES:
        columns += [f"{name} ms", f"{name} off"]
    return Table(title="What was told, and how far it is from the truth", columns=tuple(columns), rows=rows)


def _off(rounds: list[Told], k: int) -> float:
    """The median over the rounds of how far one point is from the truth."""
    return float(median(astuple(one.said.off(one.truth))[k] for one in rounds))


def _goals(told: list[Told]) -> list[Goal]:
    goals = []
    for who in (f"the lab's driver, {law}" for law in get_args(Law)):
        mine = [one for one in told if one.who == who]
        for stall_s in dict.fromkeys(one.stall_s for one in mine):
            rounds = [one for one in mine if one.stall_s == stall_s]
            off = {name: _off(rounds, k) for k, name in enumerate(NAMES)}
            worst = max(off, key=lambda name: abs(off[name]))
            goals.append(
                Goal(
                    goal=f"{who} arrivals, stalls of {stall_s:g} s: p50, p90, p99, max against the truth",
                    bar=f"within {WITHIN:.0%}",
                    found=f"{worst} {off[worst]:+.2%} at worst",
                    met=abs(off[worst]) <= WITHIN,
                )
            )
    kept = all(one.planned for one in told)
    found = "as planned" if kept else "others"
    return [
        *goals,
        Goal(goal="constant arrivals: the moments", bar="start + k / rate", found=found, met=kept),
    ]


if __name__ == "__main__":
    sys.exit(main())
