"""T5: for each guard of the method a proof that holds with it and fails without it.

A mutant is the judge, or the experiment, with one guard taken out. Each proof is a rate over fixed seeds. The
smallest gain that counts is switched off wherever it could hide what a guard is for.
"""

from __future__ import annotations

import importlib
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import exp
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import pytest
from scipy import stats

from lab.model.run import Design, MeasureSpec
from lab.verdict import facts, judge, order
from lab.verdict.exact import most_allowed
from lab.verdict.facts import Level, Sides, prove

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
if str(BENCHMARKS) not in sys.path:
    sys.path.append(str(BENCHMARKS))

noise: Any = importlib.import_module("parts.noise")
rates: Any = importlib.import_module("parts.rates")
trials: Any = importlib.import_module("parts.trial")

ALPHA = 0.00924
ANY_GAIN = Design(better_by=1.0)
COUNTER = MeasureSpec(name="calls", measure="postgres.calls", unit="calls", scale="difference", tolerance=0.5)


def limit(runs: int, share: float) -> int:
    """So many hits in so many runs are exceeded once in 1000 times at that share."""
    return int(stats.binom.ppf(0.999, runs, share))


def seldom(hits: Sequence[bool], share: float) -> bool:
    print(f"{sum(hits)} of {len(hits)}")
    return sum(hits) <= limit(len(hits), share)


def better(trial: Any) -> bool:
    return "BETTER" in trial.fix.measures[0].facts


def is_resolved(trial: Any) -> bool:
    return bool(trial.fix.state == "resolved")


def play(bench: Any, seed: int, design: Design | None = None, measure: Any = trials.P50, **more: Any) -> Any:
    return trials.Trial(trials.plan_of(seed, measure, design, **more), bench).run()


# The order of the slots is drawn at random.


@dataclass
class Trending:
    """A machine that gets faster all the time. The fault doubles; nothing is fixed."""

    draw: Random

    def block(self, arm: str, begin_s: float) -> Any:
        slowness = exp(-0.035 * begin_s + self.draw.gauss(0, 0.01))
        return trials.Seen(value=10 * (1 if arm == "healthy" else 2) * slowness)


def one_arm_after_another(_: int, arms: Sequence[str], strata: int, each: int) -> tuple[tuple[str, ...], ...]:
    return (tuple(arm for arm in arms for _ in range(each)),) * strata


def test_a_fixed_order_takes_a_trend_for_a_gain() -> None:
    def placebo_is_seldom_better(ordered: Callable[..., Any]) -> bool:
        runs = [play(Trending(Random(seed)), seed, ordered=ordered) for seed in range(60)]
        return seldom([better(run) for run in runs], ALPHA)

    assert placebo_is_seldom_better(order)
    assert not placebo_is_seldom_better(one_arm_after_another)


# One number for each block: requests of a block share what the machine did.

REQUESTS = 8  # of each block, so that both units see the same ones


@dataclass
class InRequests:
    """Keeps the requests behind each block. The machine changes from block to block; nothing is fixed."""

    draw: Random
    seen: list[list[float]] = field(default_factory=list)

    def block(self, arm: str, _: float) -> Any:
        slowness = (1.0 if arm == "healthy" else 1.4) * self.draw.lognormvariate(0, 0.22)
        self.seen.append([10 * slowness * self.draw.lognormvariate(0, 0.15) for _ in range(REQUESTS)])
        return trials.Seen(value=median(self.seen[-1]))


def test_requests_as_the_unit_take_noise_of_the_machine_for_a_gain() -> None:
    def placebo_is_seldom_better(judged: Callable[[Any], bool]) -> bool:
        runs = [play(InRequests(Random(seed)), seed, ANY_GAIN) for seed in range(60)]
        return seldom([judged(run) for run in runs], ALPHA)

    assert placebo_is_seldom_better(better)
    assert not placebo_is_seldom_better(_better_by_requests)


def _better_by_requests(run: Any) -> bool:
    """The same run, judged exactly, as if each request had been a block drawn on its own."""
    each = 3 * REQUESTS
    allowed = tuple(
        most_allowed(strata, Fraction(alpha), each)
        for strata, alpha in zip((2, 4), (0.0025, 0.00494), strict=True)
    )
    design = replace(ANY_GAIN, per_stratum=each, looks=(2, 4), allowed=allowed, over_limit=(6, 8))
    split = [
        replace(block, n=block.n * REQUESTS + i, slot=block.slot * REQUESTS + i, values={"p50": took})
        for block, requests in zip(run.blocks, run.bench.seen, strict=True)
        for i, took in enumerate(requests)
    ]
    verdict = next(v for v in judge(replace(run.plan, design=design), split).verdicts if v.arm == "fix")
    return "BETTER" in verdict.measures[0].facts


# A tie is against the claim.


@dataclass
class Counting:
    """Counts of calls by arm; ``lag`` is the share of a block's calls that is booked into the next one."""

    calls: dict[str, float]
    lag: float = 0.0
    late: float = 0.0

    def block(self, arm: str, _: float) -> Any:
        booked = (1 - self.lag) * self.calls[arm] + self.late
        self.late = self.lag * self.calls[arm]
        return trials.Seen(value=booked)


NOTHING_FIXED = {"healthy": 1.0, "problem": 11.0, "placebo": 11.0, "fix": 11.0}


def test_ties_for_the_claim_find_a_gain_between_equal_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def equal_counts_are_seldom_better() -> bool:
        runs = [play(Counting(NOTHING_FIXED), seed, ANY_GAIN, COUNTER) for seed in range(20)]
        return seldom([better(run) for run in runs], ALPHA)

    assert equal_counts_are_seldom_better()
    monkeypatch.setattr(facts, "is_gain", lambda fixed, problem, by: fixed <= problem / by)
    assert not equal_counts_are_seldom_better()


# The looks share one error rate.


def test_looks_that_each_spend_the_whole_error_rate_spend_it_several_times() -> None:
    def placebo_is_seldom_better(design: Design) -> bool:
        return seldom([_ever_better(Random(seed), design) for seed in range(2000)], ALPHA)

    looks = tuple(range(2, 9))
    peeking = replace(ANY_GAIN, looks=looks, allowed=tuple(_whole(strata) for strata in looks))
    assert placebo_is_seldom_better(ANY_GAIN)
    assert not placebo_is_seldom_better(peeking)


def _whole(strata: int) -> int:
    return most_allowed(strata, Fraction(1, 100)) or 0


def _ever_better(draw: Random, design: Design) -> bool:
    """Whether two equal arms are told apart at any look."""
    fixed, problem = (
        tuple(tuple(draw.lognormvariate(0, 0.2) for _ in range(3)) for _ in range(8)) for _ in range(2)
    )
    for number, strata in enumerate(design.looks):
        level = Level(look=number, last=False, allowed=design.allowed[number], over=99, guard=None)
        sides = Sides(trials.P50, fixed[:strata], problem[:strata], None)
        if "BETTER" in prove(sides, level, design):
            return True
    return False


# The gate looks at the machine and never at what is judged.


@dataclass
class GatedOnLatency:
    """Runs every block again that took twice as long as is usual for its arm."""

    bench: Any
    before: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def block(self, arm: str, begin_s: float) -> Any:
        seen = self.bench.block(arm, begin_s)
        self.before[arm].append(seen.value)
        return replace(seen, disturbed=seen.value > 2 * median(self.before[arm]))


def test_a_gate_on_latency_hides_a_fix_that_fails_now_and_then() -> None:
    def fails_in_30_percent_is_seldom_resolved(gated: Callable[[Any], Any]) -> bool:
        benches = [gated(trials.NoisyBench(rates.FAILS_30, noise.QUIET, seed)) for seed in range(60)]
        return seldom([is_resolved(play(bench, seed)) for seed, bench in enumerate(benches)], 0.01)

    assert fails_in_30_percent_is_seldom_resolved(lambda bench: bench)
    assert not fails_in_30_percent_is_seldom_resolved(GatedOnLatency)


# Counters are read to the end of their block.


def test_counters_that_lag_hide_a_full_fix() -> None:
    def full_fix_is_resolved(lag: float) -> bool:
        calls = {**NOTHING_FIXED, "fix": 1.0}
        runs = [play(Counting(calls, lag), seed, measure=COUNTER) for seed in range(30)]
        print(f"lag {lag}: {sum(map(is_resolved, runs))} of 30")
        return sum(map(is_resolved, runs)) >= 27

    assert full_fix_is_resolved(0.0)
    assert not full_fix_is_resolved(0.3)


# The problem arm carries everything that putting a fix on does beside fixing: the restart above all.


@dataclass
class Leaking:
    """A leak that makes a process slower as it grows old. No fix stops it, but a restart makes it young."""

    restarted: frozenset[str]
    draw: Random

    def block(self, arm: str, begin_s: float) -> Any:
        age_s = begin_s + (0 if arm in self.restarted else 1200)
        leaked = 0.0 if arm == "healthy" else age_s / 600
        return trials.Seen(value=10 * (1 + leaked) * self.draw.lognormvariate(0, 0.02))


def test_without_the_restart_in_the_problem_arm_a_restart_passes_for_a_fix() -> None:
    def what_fixes_nothing_is_never_resolved(restarted: frozenset[str]) -> bool:
        runs = [play(Leaking(restarted, Random(seed)), seed) for seed in range(20)]
        return not any(map(is_resolved, runs))

    assert what_fixes_nothing_is_never_resolved(frozenset({"problem", "placebo", "fix"}))
    assert not what_fixes_nothing_is_never_resolved(frozenset({"fix"}))
