"""What the link adds to a round trip, beside a bare forwarding proxy, and how exact its doses are."""

from __future__ import annotations

import socket
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import mean, median, quantiles

from parts.ends import Ends, cpu_ns, ends
from parts.findings import Findings, Goal, Options, Table, run_program, say
from parts.processes import Child, cores, may_be_realtime, standing

from lab.link.client import LinkClient
from lab.link.process import Link

TIMES_BARE = 1.5
OFF_MS, OFF_SHARE = 2.0, 0.02
OFF_RATE = 0.03
LATENCIES_MS = {1: 40, 5: 40, 20: 40, 100: 10, 500: 4}
JITTER_MS = (20, 10)
RATES_KB_S = (100, 1_000, 10_000)
NAME = "way"


@dataclass
class Measured:
    """Each list: one value for each round, or for each message. Seconds, microseconds of CPU, milliseconds."""

    trip_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu_us: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    added_ms: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    jitter_ms: list[float] = field(default_factory=list)
    rates: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))

    def times_bare(self, by: dict[str, list[float]]) -> float:
        """Ours by the bare proxy's of the same round, in the middle."""
        return median(ours / bare for ours, bare in zip(by["the link"], by["bare uvloop"], strict=True))


@dataclass(frozen=True)
class Way:
    """One way between the two ends: a port, and the process that stands in it, if any."""

    name: str
    port: int
    pid: int | None


def main() -> int:
    return run_program("link_cost", __doc__ or "", measure)


def measure(options: Options) -> Findings:
    trips, measured = 1_000 if options.quick else 10_000, Measured()
    stands = cores()
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        _proxies(options, listener, stands.generator) as (ways, client),
        standing(stands.server, realtime=may_be_realtime()),
    ):
        for n in range(options.rounds):
            say(f"round {n + 1}/{options.rounds}: round trips")
            for way in ways:
                _trips(way, listener, trips, measured)
            say(f"round {n + 1}/{options.rounds}: doses")
            with ends(listener, ways[-1].port) as both:
                _latency(both, client, measured, options.quick)
                _bandwidth(both, client, measured, options.quick)
    found = Findings(tables=[_cost(measured), _doses(measured), _rates(measured)], goals=_goals(measured))
    scheduling = "realtime" if may_be_realtime() else "ordinary"
    found.notes.append(f"both proxies on one core, both ends on another, {scheduling} scheduling")
    return found


@contextmanager
def _proxies(options: Options, listener: socket.socket, core: int) -> Iterator[tuple[list[Way], LinkClient]]:
    """Both proxies on one core and, as the link does by itself, before others where that is permitted."""
    port = listener.getsockname()[1]
    with standing(core, realtime=may_be_realtime()):
        bare = Child("forward", str(port), log=options.folder / "forward.log")
        link = Link.start(1, lambda _what: None)
    try:
        ours = link.client.create(NAME, f"127.0.0.1:{port}")
        yield (
            [
                Way("direct", port, None),
                Way("bare uvloop", bare.hear()["port"], bare.pid),
                Way("the link", ours.port, link.pid),
            ],
            link.client,
        )
    finally:
        link.close()
        bare.close()


def _trips(way: Way, listener: socket.socket, trips: int, measured: Measured) -> None:
    with ends(listener, way.port) as both:
        for _ in range(trips // 10):
            both.round_trip_s()
        before = cpu_ns(way.pid) if way.pid else 0
        measured.trip_s[way.name].append(median(both.round_trip_s() for _ in range(trips)))
        if way.pid:
            measured.cpu_us[way.name].append((cpu_ns(way.pid) - before) / trips / 1e3)


def _latency(both: Ends, client: LinkClient, measured: Measured, quick: bool) -> None:
    plain = median(both.one_way_s() for _ in range(200))
    client.add_toxic(NAME, "latency", {"latency": 0})
    for latency, messages in LATENCIES_MS.items():
        client.update_toxic(NAME, "latency_downstream", {"latency": latency})
        for _ in range(max(2, messages // 4) if quick else messages):
            measured.added_ms[latency].append((both.one_way_s() - plain) * 1e3)
    middle, jitter = JITTER_MS
    client.update_toxic(NAME, "latency_downstream", {"latency": middle, "jitter": jitter})
    measured.jitter_ms += [(both.one_way_s() - plain) * 1e3 for _ in range(40)]
    client.remove_toxic(NAME, "latency_downstream")


def _bandwidth(both: Ends, client: LinkClient, measured: Measured, quick: bool) -> None:
    client.add_toxic(NAME, "bandwidth", {"rate": 1})
    for rate in RATES_KB_S:
        client.update_toxic(NAME, "bandwidth_downstream", {"rate": rate})
        size = rate * (500 if quick else 2_000)
        measured.rates[rate].append(size / both.transfer_s(size) / 1e3)
    client.remove_toxic(NAME, "bandwidth_downstream")


def _cost(measured: Measured) -> Table:
    bare = measured.trip_s["bare uvloop"]
    return Table(
        title="A round trip of 100 bytes",
        columns=("way", "p50 us", "x bare", "CPU us of the proxy", "x bare"),
        rows=[
            (
                name,
                median(took) * 1e6,
                median(one / other for one, other in zip(took, bare, strict=True)),
                median(measured.cpu_us[name]) if name in measured.cpu_us else None,
                median(measured.cpu_us[name]) / median(measured.cpu_us["bare uvloop"])
                if name in measured.cpu_us
                else None,
            )
            for name, took in measured.trip_s.items()
        ],
    )


def _doses(measured: Measured) -> Table:
    rows = [(f"{ms} ms", *_spread(added)) for ms, added in measured.added_ms.items()]
    middle, jitter = JITTER_MS
    rows.append((f"{middle} ms, jitter {jitter} ms", *_spread(measured.jitter_ms)))
    return Table(
        title="Latency: asked, and added to one way (ms)",
        columns=("asked", "mean", "p50", "p95", "least", "most", "messages"),
        rows=rows,
    )


def _spread(added: list[float]) -> tuple[float, float, float, float, float, int]:
    return mean(added), median(added), _p95(added), min(added), max(added), len(added)


def _rates(measured: Measured) -> Table:
    return Table(
        title="Bandwidth: asked, and delivered over two seconds (KB/s)",
        columns=("asked", "p50", "least", "most"),
        rows=[(rate, median(found), min(found), max(found)) for rate, found in measured.rates.items()],
    )


def _goals(measured: Measured) -> list[Goal]:
    goals = []
    for what, by in (("round trip p50", measured.trip_s), ("CPU of a round trip", measured.cpu_us)):
        times = measured.times_bare(by)
        goals.append(_goal(f"{what}, beside a bare uvloop proxy", TIMES_BARE, f"{times:.2f} times", times))
    for asked, added in measured.added_ms.items():
        off = max(abs(median(added) - asked), abs(_p95(added) - asked))
        goals.append(
            Goal(
                goal=f"latency of {asked} ms: p50 and p95 of what is added",
                bar=f"within {OFF_MS:.0f} ms or {OFF_SHARE:.0%}",
                found=f"{off:.2f} ms off",
                met=off <= max(OFF_MS, OFF_SHARE * asked),
            )
        )
    goals.append(_jitter(measured.jitter_ms))
    for rate, found in measured.rates.items():
        off = max(abs(one / rate - 1) for one in found)
        goals.append(
            Goal(
                goal=f"bandwidth of {rate:,} KB/s, every transfer",
                bar=f"within {OFF_RATE:.0%}",
                found=f"{off:.2%} off",
                met=off <= OFF_RATE,
            )
        )
    return goals


def _jitter(found: list[float]) -> Goal:
    middle, jitter = JITTER_MS
    inside = sum(middle - jitter - OFF_MS <= one <= middle + jitter + OFF_MS for one in found) / len(found)
    return Goal(
        goal=f"latency of {middle} ms with jitter {jitter} ms: mean, and the share within the range",
        bar=f"within {OFF_MS:.0f} ms, and 95 %",
        found=f"{abs(mean(found) - middle):.2f} ms off, and {inside:.1%}",
        met=abs(mean(found) - middle) <= OFF_MS and inside >= 0.95,
    )


def _goal(goal: str, bar: float, found: str, value: float) -> Goal:
    return Goal(goal=goal, bar=f"at most {bar} times", found=found, met=value <= bar)


def _p95(values: list[float]) -> float:
    return quantiles(values, n=20, method="inclusive")[-1]


if __name__ == "__main__":
    sys.exit(main())
