"""How exact is the generator: its schedule, its latencies when it is busy, its percentiles."""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt
from parts.findings import Findings, Goal, Options, Table, run_program, say
from parts.ours import Ask, Driver, Played, driver, rate_for
from parts.processes import Child, cores, may_be_realtime, standing
from parts.servers import known, shop
from parts.shop import requests
from parts.timer import NS

from lab.model.histogram import Histogram
from lab.model.scenario import Request, Stage

MOST_SHARE = 0.57  # up to 60 %: the share itself varies by some hundredths
LOADS = (0.1, 0.5, 1.0)  # of the rate that takes that share of a core
P50_S, ABOVE_FLOOR_S = 0.0001, 0.00025
KNOWN_S, BUSY, IDLE, WITHIN = 0.02, 0.5, 0.05, 0.05
FIRST_RATE, MOST_RATE = 4_000.0, 40_000.0
MOST_KNOWN_RATE = 16_000.0  # 20 ms each: 320 under way
SCALES_S = (50e-6, 500e-6, 5e-3, 50e-3, 0.5, 5.0, 60.0)
PERCENTILES = (50.0, 90.0, 99.0, 99.9)
HISTOGRAM_WITHIN = 0.005
LOOK = Request(name="look", get="/products/17")


@dataclass(frozen=True, kw_only=True)
class Punctual:
    """Lateness at one rate, seconds; the floor is that of the bare loop right before."""

    rate: float
    cpu_share: float
    p50: float
    p99: float
    floor_p50: float
    floor_p99: float


@dataclass(frozen=True, kw_only=True)
class Read:
    """The known server as the driver read it, and its own account; seconds."""

    rate: float
    cpu_share: float
    p50: float
    p99: float
    own_p50: float
    own_p99: float
    failed: int


def main() -> int:
    return run_program("load_accuracy", __doc__ or "", measure)


def measure(options: Options) -> Findings:
    found = Findings()
    with driver(options.folder, cores().generator) as ours:
        _schedule(options, ours, found)
        _busy(options, ours, found)
        found.notes.append(f"the driver's scheduling is {ours.scheduling}, and so is the bare loop's")
    _percentiles(found)
    return found


def _schedule(options: Options, ours: Driver, found: Findings) -> None:
    """Schedule error at several loads, a bare timer loop interleaved."""
    stands = cores()
    length_s = 1.0 if options.quick else 2.0
    permitted = may_be_realtime()
    with standing(stands.generator, realtime=permitted and ours.scheduling == "realtime"):
        bare = Child("floor", log=options.folder / "floor.log")
    # A server that others push aside answers in bursts, and bursts are the server's doing.
    with contextlib.closing(bare), shop(options.folder, stands.server, realtime=permitted) as site:
        bare.hear()

        def play(rate: float, seconds: float = 1.0, seed: int = 1) -> Played:
            stages = (Stage(rate=rate, length=seconds),)
            return ours.play(Ask(url=site.url, requests=requests(), stages=stages, seed=seed))

        say(f"schedule: looking for the rate at {MOST_SHARE:.0%} of a core")
        top = rate_for(play, MOST_SHARE, first=FIRST_RATE, most=MOST_RATE)
        measured: dict[float, list[Punctual]] = {part: [] for part in LOADS}
        for n in range(options.rounds):
            for part in LOADS:
                say(f"schedule: round {n + 1}/{options.rounds} at {part * top:,.0f}/s")
                floor = _floor(bare, part * top, length_s, n)
                measured[part].append(_punctual(part * top, play(part * top, length_s, n + 1), floor))
    _tell_schedule(found, list(measured.values()))


def _floor(bare: Child, rate: float, length_s: float, seed: int) -> npt.NDArray[np.float64]:
    """Lateness of the bare loop, seconds."""
    start_ns = time.monotonic_ns() + NS // 10 + round(rate * length_s * 3_000)  # it draws its moments first
    asked = {"start_ns": start_ns, "rate": rate, "length_s": length_s, "seed": seed}
    late = bare.ask(asked, length_s + 30)
    return np.asarray(late, dtype=np.float64) / NS


def _punctual(rate: float, played: Played, floor: npt.NDArray[np.float64]) -> Punctual:
    checks = played.load.checks
    floor_p50, floor_p99 = np.percentile(floor, [50, 99])
    return Punctual(
        rate=rate,
        cpu_share=played.cpu_share,
        p50=checks.schedule_error_p50_s,
        p99=checks.schedule_error_p99_s,
        floor_p50=float(floor_p50),
        floor_p99=float(floor_p99),
    )


def _tell_schedule(found: Findings, loads: list[list[Punctual]]) -> None:
    rows = []
    for rounds in loads:
        share = median(one.cpu_share for one in rounds)
        p50, p99 = median(one.p50 for one in rounds), median(one.p99 for one in rounds)
        floor_p50, floor_p99 = (
            median(one.floor_p50 for one in rounds),
            median(one.floor_p99 for one in rounds),
        )
        above = median(one.p99 - one.floor_p99 for one in rounds)
        rows.append((rounds[0].rate, share, *(1e3 * s for s in (p50, floor_p50, p99, floor_p99, above))))
        found.goals += [
            Goal(
                goal=f"schedule error p50 at {share:.0%} of a core",
                bar=f"at most {P50_S * 1e3:g} ms",
                found=f"{p50 * 1e3:.3f} ms",
                met=p50 <= P50_S,
            ),
            Goal(
                goal=f"schedule error p99 at {share:.0%} of a core, above the bare loop's",
                bar=f"at most {ABOVE_FLOOR_S * 1e3:g} ms",
                found=f"{above * 1e3:+.3f} ms",
                met=above <= ABOVE_FLOOR_S,
            ),
        ]
    columns = ("rate /s", "CPU share", "p50 ms", "bare p50", "p99 ms", "bare p99", "p99 above bare")
    found.tables.append(Table(title="Schedule error, beside a bare timerfd loop", columns=columns, rows=rows))


def _busy(options: Options, ours: Driver, found: Findings) -> None:
    """A known server, read by a driver that idles and by one that is busy, by turns."""
    length_s = 1.5 if options.quick else 3.0
    idle: list[Read] = []
    busy: list[Read] = []
    with known(options.folder, cores().server, KNOWN_S, realtime=may_be_realtime()) as server:

        def play(rate: float, seconds: float = 1.0, seed: int = 1) -> Played:
            stages = (Stage(rate=rate, length=seconds),)
            return ours.play(Ask(url=server.url, requests=(LOOK,), stages=stages, seed=seed))

        def read(rate: float, seconds: float, seed: int) -> Read:
            server.account()
            played = play(rate, seconds, seed)
            p50, p99 = np.percentile(played.load.latency_s, [50, 99])
            own_p50, own_p99 = np.percentile(server.account().service_s, [50, 99])
            return Read(
                rate=rate, cpu_share=played.cpu_share, failed=played.failed,
                p50=float(p50), p99=float(p99), own_p50=float(own_p50), own_p99=float(own_p99),
            )  # fmt: skip

        say("busy: looking for the two rates")
        high = rate_for(play, BUSY, first=FIRST_RATE, most=MOST_KNOWN_RATE)
        low = rate_for(play, IDLE, first=high / 20, most=high)
        for n in range(options.rounds):
            say(f"busy: round {n + 1}/{options.rounds} at {low:,.0f}/s and {high:,.0f}/s")
            idle.append(read(low, 2 * length_s, n + 1))  # a p99 needs its requests
            busy.append(read(high, length_s, n + 1))
    _tell_busy(found, idle, busy)


def _tell_busy(found: Findings, idle: list[Read], busy: list[Read]) -> None:
    rows = []
    for rounds in (idle, busy):
        share = median(one.cpu_share for one in rounds)
        seen = [[one.p50, one.p99, one.own_p50, one.own_p99] for one in rounds]
        rows.append((rounds[0].rate, share, *(float(ms) for ms in 1e3 * np.median(seen, axis=0))))
    columns = ("rate /s", "CPU share", "p50 ms", "p99 ms", "server's own p50", "server's own p99")
    title = f"A server of {KNOWN_S * 1e3:.0f} ms, read by an idle and by a busy generator"
    found.tables.append(Table(title=title, columns=columns, rows=rows))
    for name in ("p50", "p99"):
        ratios = [getattr(b, name) / getattr(i, name) for i, b in zip(idle, busy, strict=True)]
        off = median(ratios) - 1
        found.goals.append(
            Goal(
                goal=f"{name} of a known server at {rows[1][1]:.0%} of a core, against {rows[0][1]:.0%}",
                bar=f"within {WITHIN:.0%}",
                found=f"{off:+.1%}",
                met=abs(off) <= WITHIN,
            )
        )
    reached = rows[1][1] >= 0.9 * BUSY
    if not reached:
        found.notes.append(f"the known server's own limit kept the generator below {BUSY:.0%} of a core")


def _percentiles(found: Findings) -> None:
    """The histogram against sorted samples, at every scale."""
    rows, worst = [], 0.0
    for scale_s, sample in histogram_samples():
        off = histogram_off(sample)
        rows.append((scale_s * 1e3 if scale_s else "all", *(f"{one:+.3%}" for one in off)))
        worst = max(worst, *(abs(one) for one in off))
    columns = ("around ms", *(f"p{p:g} off" for p in PERCENTILES))
    found.tables.append(
        Table(title="Percentiles of the histogram against the exact ones", columns=columns, rows=rows)
    )
    found.goals.append(
        Goal(
            goal="percentiles from 50 microseconds to 60 s",
            bar=f"within {HISTOGRAM_WITHIN:.1%} of exact",
            found=f"{worst:.3%} at worst",
            met=worst <= HISTOGRAM_WITHIN,
        )
    )

    whole = [Histogram.of(sample) for _, sample in histogram_samples()]
    parts = [
        Histogram.of(s[::3]) + Histogram.of(s[1::3]) + Histogram.of(s[2::3]) for _, s in histogram_samples()
    ]
    equal = sum(one == other for one, other in zip(whole, parts, strict=True))
    found.goals.append(
        Goal(
            goal="histograms of three workers added, against one of all samples",
            bar="equal, bucket by bucket",
            found=f"{equal} of {len(whole)} equal",
            met=equal == len(whole),
        )
    )


def histogram_samples() -> list[tuple[float, npt.NDArray[np.float64]]]:
    """Seeded samples around each scale, and one (scale 0) spread over all of them."""
    draw = np.random.default_rng(1)
    narrow = [
        (s, np.clip(draw.lognormal(np.log(s), 0.3, 100_000), SCALES_S[0], SCALES_S[-1])) for s in SCALES_S
    ]
    return [*narrow, (0.0, np.exp(draw.uniform(np.log(SCALES_S[0]), np.log(SCALES_S[-1]), 100_000)))]


def histogram_off(sample: npt.NDArray[np.float64]) -> list[float]:
    """How far each percentile of the histogram is from that of the sorted sample."""
    exact = np.percentile(sample, PERCENTILES, method="inverted_cdf")
    kept = Histogram.of(sample)
    return [kept.percentile(p) / float(true) - 1 for p, true in zip(PERCENTILES, exact, strict=True)]


if __name__ == "__main__":
    sys.exit(main())
