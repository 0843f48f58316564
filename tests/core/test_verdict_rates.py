"""T2: how often the judge is wrong, and how often it says something, on simulated machines. Fixed seeds.

The machines and the run are those of ``benchmarks/verdict_rates.py``, which does the same at full size.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
if str(BENCHMARKS) not in sys.path:
    sys.path.append(str(BENCHMARKS))

noise: Any = importlib.import_module("parts.noise")
one_pass: Any = importlib.import_module("parts.one_pass")
rates: Any = importlib.import_module("parts.rates")
trials: Any = importlib.import_module("parts.trial")

ALPHA = 0.00924
QUIET, NOISY, HOSTILE = noise.PROFILES


def limit(runs: int, share: float) -> int:
    """So many hits in so many runs are exceeded once in 1000 times at that share."""
    return int(stats.binom.ppf(0.999, runs, share))


def run(truth: Any, profile: Any, runs: int) -> list[Any]:
    found = [trials.trial(truth, profile, seed) for seed in range(runs)]
    print(f"{truth.name}, {profile.name}: {dict(Counter(one.fix.state for one in found))}")
    return found


def resolved(found: list[Any]) -> int:
    return sum(one.fix.state == "resolved" for one in found)


class TestWrong:
    @pytest.mark.parametrize("profile", noise.PROFILES, ids=[p.name for p in noise.PROFILES])
    @pytest.mark.parametrize("problem", [1.25, 2.0, 10.0])
    def test_a_placebo_is_never_resolved_and_seldom_better(self, problem: float, profile: Any) -> None:
        found = run(trials.Truth(name=f"placebo {problem}", problem=problem, fixed=problem), profile, 60)
        assert resolved(found) == 0
        assert not any(one.placebo.state == "resolved" for one in found)
        assert sum("BETTER" in one.fix.measures[0].facts for one in found) <= limit(60, ALPHA)
        if problem >= 2 and profile is not HOSTILE:
            assert sum(one.fix.state == "not-resolved" for one in found) >= 57

    def test_no_fault_at_all_is_not_reproduced(self) -> None:
        found = run(rates.NO_FAULT, NOISY, 60)
        assert sum(one.fix.state == "not-reproduced" for one in found) >= 58
        assert resolved(found) == 0

    def test_a_fix_at_the_edge_of_the_tolerance_is_seldom_resolved(self) -> None:
        assert resolved(run(rates.EDGE, NOISY, 100)) <= limit(100, ALPHA)

    @pytest.mark.parametrize("profile", noise.PROFILES, ids=[p.name for p in noise.PROFILES])
    def test_a_fix_that_fails_in_30_percent_of_blocks_is_seldom_resolved(self, profile: Any) -> None:
        assert resolved(run(rates.FAILS_30, profile, 60)) <= limit(60, 0.01)

    def test_processes_with_a_speed_of_their_own_are_not_called_better(self) -> None:
        kept = replace(QUIET, process=0.05)
        truth = rates.PLACEBOS[0]
        counted = {}
        for by in (1.0, 1.1):
            design = trials.Design(better_by=by)
            found = [trials.trial(truth, kept, seed, design) for seed in range(160)]
            counted[by] = sum("BETTER" in one.fix.measures[0].facts for one in found)
        print(f"called better of 160, by the smallest gain that counts: {counted}")
        assert counted[1.1] <= limit(160, ALPHA) < counted[1.0], "without a smallest gain it would not hold"


class TestPower:
    def test_a_full_fix_is_resolved(self) -> None:
        found = run(rates.FULL, NOISY, 80)
        assert resolved(found) >= 0.85 * 80, "90 % less what 80 runs may miss by luck"
        assert {one.fix.state for one in found} <= {"resolved", "inconclusive", "void"}, "never refuted"

    def test_on_a_quiet_machine_a_large_effect_is_settled_at_the_first_look(self) -> None:
        found = run(rates.FULL_LARGE, QUIET, 20)
        assert resolved(found) == 20
        assert float(np.median([one.load_s for one in found])) == 17.5
        assert float(np.median([one.wall_s for one in found])) < 30

    def test_a_partial_fix_is_improved_and_a_harmful_one_regressed(self) -> None:
        for truth, state in ((rates.PARTIAL, "improved"), (rates.WORSE, "regressed")):
            found = run(truth, QUIET, 30)
            assert sum(one.fix.state == state for one in found) >= 28

    def test_one_pass_of_each_arm_is_wrong_far_more_often(self) -> None:
        said = [one_pass.one_pass(rates.PLACEBOS[1], NOISY, seed) for seed in range(60)]
        assert sum(one.better for one in said) > 60 * 0.1, "a rank test on requests takes drift for a gain"


class TestTheSimulation:
    def test_the_same_seed_gives_the_same_run(self) -> None:
        first, again = (trials.trial(rates.FULL, HOSTILE, 5) for _ in range(2))
        assert first.blocks == again.blocks
        assert first.blocks != trials.trial(rates.FULL, HOSTILE, 6).blocks

    def test_slowness_has_the_spread_of_its_profile(self) -> None:
        moments = np.arange(0, 300, 2.0)
        machines = [noise.Machine(replace(NOISY, neighbour=1.0), seed) for seed in range(40)]
        spread = np.std(np.log([machine.slowness(moments) for machine in machines]))
        assert spread == pytest.approx(np.hypot(0.12, 0.08), rel=0.1)

    def test_a_request_due_in_a_stall_is_answered_after_it_and_the_gate_sees_the_stall_alone(self) -> None:
        machine = noise.Machine(noise.Profile(name="still", slow=0.0), 1)
        machine.stalls = [(10.1, 10.9)]
        took = machine.latencies(10.0, 0.5, 200)
        assert took.max() > 0.75, "the one that was due just after the machine stopped"
        assert np.median(took) > 0.3
        assert (machine.stalled(10.0, 10.5), machine.stalled(11.0, 11.5)) == (True, False)
        assert not machine.stalled(10.75, 11.25), "too little of it to be noticed"
        assert np.median(machine.latencies(11.0, 0.5, 200)) < 0.01

    def test_bounds_and_tests_agree_with_scipy(self) -> None:
        for hits, runs in ((0, 3600), (2, 300), (40, 400)):
            assert rates.rate_below(hits, runs) == pytest.approx(stats.beta.ppf(0.95, hits + 1, runs - hits))
            assert rates.refuted(hits, runs, 0.01) is bool(stats.binom.sf(hits - 1, runs, 0.01) < 0.001)
        draw = np.random.default_rng(3)
        a, b = draw.lognormal(0, 1, 400), draw.lognormal(0.1, 1, 500)
        oracle = stats.mannwhitneyu(a, b, alternative="less", method="asymptotic", use_continuity=False)
        assert one_pass.below_chance(a, b) == pytest.approx(oracle.pvalue)


def test_the_benchmark_prints_one_object_with_every_truth() -> None:
    command = [sys.executable, str(BENCHMARKS / "verdict_rates.py"), "--json", "--runs", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd="/")
    assert done.returncode in (0, 1), done.stderr
    said = json.loads(done.stdout)
    assert [len(table["rows"]) for table in said["tables"]] == [len(rates.TRUTHS)] * 3 + [3, 8, 6]
    assert said["goals"][0]["met"] is None, "one run proves nothing"
    assert said["rounds"] == 1
