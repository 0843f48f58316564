"""How often the judge is wrong, and how often it says something, on simulated noisy machines. Fixed seeds.

Every block of every arm shares the machine: slow drift and fast noise that both remember the block before
(AR(1)), a noisy neighbour that comes and goes, and stalls that no gate saw.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import exp, sqrt
from random import Random

import pytest
from scipy import stats
from verdict_series import P50, make_plan

from lab.model.run import Block, MeasureSpec, Phase, Plan, Verdict
from lab.verdict import judge, order

ALPHA = 0.00924
LOOSE = replace(P50, tau=1.5)

Speed = Callable[[Random], float]


def limit(runs: int, share: float) -> int:
    """So many hits in so many runs are exceeded once in 1000 times at that share."""
    return int(stats.binom.ppf(0.999, runs, share))


def machine(draw: Random, noise: float) -> Iterator[float]:
    """How slow the machine is, block after block."""
    slow, fast, neighbour = draw.gauss(0, 0.12), 0.0, False
    while True:
        slow = 0.97 * slow + sqrt(1 - 0.97**2) * draw.gauss(0, 0.12)
        fast = 0.4 * fast + sqrt(1 - 0.4**2) * draw.gauss(0, 0.08)
        neighbour = (draw.random() < 0.9) is neighbour
        stalled = draw.random() < 0.02
        yield exp(noise * (slow + fast + (0.22 if neighbour else 0) + (0.7 if stalled else 0)))


def run_once(seed: int, measure: MeasureSpec, problem: float, fixed: Speed, noise: float = 1.0) -> Verdict:
    """All blocks that a run could ever need, judged in one go: the looks are those of a run in steps."""
    plan = make_plan(measure)
    draw = Random(seed)
    speeds: dict[str, Speed] = {"healthy": lambda _: 1.0, "problem": lambda _: problem, "fix": fixed}
    blocks: list[Block] = []
    drift = machine(draw, noise)

    def add(arm: str, phase: Phase, stratum: int) -> None:
        value = 10 * speeds[arm](draw) * next(drift)
        blocks.append(_block(plan, len(blocks), arm, phase, stratum, {measure.name: value}))

    for stratum, arms in enumerate(order(seed, tuple(speeds), 8, 3)):
        for arm in arms:
            add(arm, "slot", stratum)
    early = judge(plan, blocks[:18]).tail  # a fix that is well at the first look goes to its tail at once
    del blocks[18 if early else len(blocks) :]
    for _ in range(11):
        add("fix", "tail", 8)
    return judge(plan, blocks).verdicts[0]


def _block(
    plan: Plan, n: int, arm: str, phase: Phase, stratum: int, values: dict[str, float | None]
) -> Block:
    return Block(
        n=n, group=1, stratum=stratum, slot=n, arm=arm, role=plan.arm(arm).role, phase=phase,
        start_ns=n, length_s=0.5, values=values,
    )  # fmt: skip


def states(
    seeds: range, measure: MeasureSpec, problem: float, fixed: Speed, noise: float = 1.0
) -> Counter[str]:
    return Counter(run_once(seed, measure, problem, fixed, noise).state for seed in seeds)


@pytest.mark.parametrize(("problem", "noise"), [(1.25, 1.0), (2.0, 0.4), (2.0, 1.0), (10.0, 2.0)])
def test_a_placebo_is_never_resolved_and_seldom_better(problem, noise):
    runs = range(150)
    verdicts = [run_once(seed, P50, problem, lambda _: problem, noise) for seed in runs]
    found = Counter(v.state for v in verdicts)
    print(f"placebo, F={problem}, noise {noise}: {dict(found)}")
    assert found["resolved"] == 0
    assert sum("BETTER" in v.measures[0].facts for v in verdicts) <= limit(len(runs), ALPHA)
    if problem >= 2 and noise <= 1:
        assert found["not-resolved"] >= 0.95 * len(runs)


def test_no_fault_at_all_is_not_reproduced():
    found = states(range(80), P50, 1.0, lambda _: 1.0)
    print(f"no fault: {dict(found)}")
    assert found["not-reproduced"] >= 78
    assert found["resolved"] == 0


def test_a_full_fix_is_resolved():
    found = states(range(100), LOOSE, 3.0, lambda _: 1.0)
    print(f"full fix: {dict(found)}")
    assert found["resolved"] >= 85
    assert found["resolved"] + found["inconclusive"] + found["void"] == 100, "never refuted"


def test_a_fix_at_the_edge_of_the_tolerance_is_seldom_resolved():
    found = states(range(200), P50, 5.0, lambda _: 1.25)
    print(f"edge of tolerance: {dict(found)}")
    assert found["resolved"] <= limit(200, ALPHA)


def test_a_fix_that_fails_in_30_percent_of_blocks_is_seldom_resolved():
    found = states(range(200), LOOSE, 10.0, lambda draw: 5.0 if draw.random() < 0.3 else 1.0)
    print(f"30 % intermittent: {dict(found)}")
    assert found["resolved"] <= limit(200, 0.01)
    assert found["resolved"] + found["inconclusive"] + found["improved"] + found["void"] == 200


def test_a_harmful_fix_is_regressed():
    found = states(range(60), P50, 3.0, lambda _: 6.0)
    print(f"twice as bad: {dict(found)}")
    assert found["regressed"] >= 54
