"""What a request costs the generator: CPU time of the lab's driver beside that of stock Locust, wrk and others."""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median

from parts.findings import Cell, Findings, Goal, Options, Table, run_program, say
from parts.ours import Ask, Driver, Played, driver
from parts.peers import Cost, Peer, peers
from parts.processes import cores, may_be_realtime
from parts.servers import shop
from parts.shop import requests

from lab.model.scenario import Stage

RATES = (2_000.0, 8_000.0, 15_000.0, 25_000.0, 35_000.0, 45_000.0, 50_000.0, 55_000.0)
TIMES_STOCK, STRETCH = 5.0, 8.0
TIMES_WRK = 2.0
KEPT_UP, CPU_SHARE = 0.995, 0.9
STOCK, WRK = "Locust FastHttpUser", "wrk with script"


@dataclass
class Measured:
    """All rounds of everybody."""

    ours: dict[float, list[Played]] = field(default_factory=lambda: defaultdict(list))
    peers: dict[str, list[Cost]] = field(default_factory=lambda: defaultdict(list))
    asks: dict[str, str] = field(default_factory=dict)

    def us(self, peer: str) -> float | None:
        """Median CPU microseconds for each request of a peer; None where it was not run."""
        return median(cost.cpu_us for cost in self.peers[peer]) if peer in self.peers else None

    def our_us(self, rate: float) -> float:
        return median(played.cpu_us for played in self.ours[rate])

    def held(self) -> float | None:
        """The highest rate that was kept up in the middle round, within the CPU share that is allowed."""
        return max((rate for rate, rounds in self.ours.items() if _held(rounds)), default=None)


def _held(rounds: list[Played]) -> bool:
    achieved = median(min(played.load.checks.achieved, played.kept_up) for played in rounds)
    return achieved >= KEPT_UP and median(played.cpu_share for played in rounds) <= CPU_SHARE


def main() -> int:
    return run_program("load_cost", __doc__ or "", measure)


def measure(options: Options) -> Findings:
    stands, realtime = cores(), may_be_realtime()
    length_s = 1.0 if options.quick else 2.0
    measured = Measured()
    with shop(options.folder, stands.server) as site, driver(options.folder, stands.generator) as ours:
        others = peers(site.url, options.folder, stands.generator, realtime and ours.scheduling == "realtime")
        for n in range(options.rounds):
            _round(n, options.rounds, measured, ours, site.url, others, length_s)
        what, scheduling = site.what, ours.scheduling
    found = Findings(tables=[_ours(measured), _all(measured)], goals=_goals(measured))
    found.notes.append(
        f"server: {what}; driver and peers stand on a core of their own, scheduling {scheduling}"
    )
    if WRK not in measured.peers:
        found.notes.append("wrk is not installed, so the goal against it could not be judged")
    return found


def _round(
    n: int, rounds: int, measured: Measured, ours: Driver, url: str, others: tuple[Peer, ...], length_s: float
) -> None:
    """Everybody once, one after another."""
    for rate in RATES:
        say(f"round {n + 1}/{rounds}: ours at {rate:,.0f}/s")
        ask = Ask(url=url, requests=requests(), stages=(Stage(rate=rate, length=length_s),), seed=n + 1)
        measured.ours[rate].append(ours.play(ask))
    for peer in others:
        say(f"round {n + 1}/{rounds}: {peer.name}")
        measured.asks[peer.name] = peer.asks
        measured.peers[peer.name].append(peer.run(length_s))


def _ours(measured: Measured) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for rate, rounds in measured.ours.items():
        checks = [played.load.checks for played in rounds]
        rows.append(
            (
                rate,
                median(min(p.load.checks.achieved, p.kept_up) for p in rounds),
                median(p.cpu_share for p in rounds),
                measured.our_us(rate),
                median(p.whole_cpu_us for p in rounds),
                1e6 / measured.our_us(rate),
                median(c.schedule_error_p50_s for c in checks) * 1e3,
                median(c.schedule_error_p99_s for c in checks) * 1e3,
                sum(p.failed for p in rounds),
                "yes" if _held(rounds) else "no",
            )
        )
    return Table(
        title=f"The lab's driver, open model, Poisson arrivals, {checks[0].executor} executor",
        columns=(
            "rate /s",
            "kept up",
            "CPU share",
            "CPU us/request",
            "with planning",
            "per core /s",
            "late p50 ms",
            "late p99 ms",
            "failed",
            "held",
        ),
        rows=rows,
    )


def _all(measured: Measured) -> Table:
    stock, wrk, plain = measured.us(STOCK), measured.us(WRK), measured.us("wrk plain")
    rate = measured.held()
    lines: list[tuple[str, str, list[float], float]] = []
    if rate is not None:
        ours = measured.ours[rate]
        lines.append(
            (f"the lab's driver at {rate:,.0f}/s", "the shop, all checked", [p.cpu_us for p in ours], rate)
        )
    for name, costs in measured.peers.items():
        made = median(cost.requests / cost.seconds for cost in costs)
        lines.append((name, measured.asks[name], [cost.cpu_us for cost in costs], made))
    rows: list[tuple[Cell, ...]] = []
    for name, asks, us, made in lines:
        mid = median(us)
        ratios = (stock / mid if stock else None, mid / wrk if wrk else None, mid / plain if plain else None)
        rows.append((name, asks, mid, min(us), max(us), 1e6 / mid, made, *ratios))
    return Table(
        title="CPU of the generator for each request: peers are closed, 64 connections, as fast as they can",
        columns=(
            "generator",
            "asks for",
            "CPU us/request",
            "least",
            "most",
            "per core /s",
            "made /s",
            "x stock Fast",
            "x wrk's CPU",
            "x plain wrk's",
        ),
        rows=rows,
    )


def _goals(measured: Measured) -> list[Goal]:
    rate, stock, wrk, plain = measured.held(), measured.us(STOCK), measured.us(WRK), measured.us("wrk plain")
    if rate is None or stock is None:
        held = f"{KEPT_UP:.1%} kept up at {CPU_SHARE:.0%} CPU"
        return [Goal(goal="a rate that is held", bar=held, found="at none of the rates", met=False)]
    ours = measured.our_us(rate)
    failed = sum(played.failed for rounds in measured.ours.values() for played in rounds)
    return [
        Goal(
            goal="requests per core second, against stock FastHttpUser",
            bar=f"at least {TIMES_STOCK:g} times (stretch {STRETCH:g})",
            found=f"{stock / ours:.1f} times, at {rate:,.0f}/s",
            met=stock / ours >= TIMES_STOCK,
        ),
        Goal(
            goal="highest rate held, against what stock FastHttpUser makes on a core",
            bar=f"at least {TIMES_STOCK:g} times (stretch {STRETCH:g})",
            found=f"{rate * stock / 1e6:.1f} times",
            met=rate * stock / 1e6 >= TIMES_STOCK,
        ),
        Goal(
            goal="CPU per request, against wrk with the same requests and checks",
            bar=f"at most {TIMES_WRK:g} times",
            found="wrk is not installed" if not wrk else _against_wrk(ours, wrk, plain),
            met=ours / wrk <= TIMES_WRK if wrk else None,
        ),
        Goal(goal="failed requests", bar="none", found=str(failed), met=failed == 0),
    ]


def _against_wrk(ours: float, wrk: float, plain: float | None) -> str:
    return f"{ours / wrk:.2f} times" + (f" ({ours / plain:.2f} times plain wrk)" if plain else "")


if __name__ == "__main__":
    sys.exit(main())
