"""A plausible stampede run, written to a folder by the real store: what the report tests render."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lab.model.report import Machine, RunInfo
from lab.model.run import (
    Block,
    Judgement,
    MeasureResult,
    Role,
    Verdict,
)
from lab.model.stack import Evidence
from lab.store import RunFolder
from lab.verdict.explain import Around, explained
from tests.fake_plan import ARMS, CALLS, DIFF, PLAN_TEXT, SLOW, plan, scenario

__all__ = ["ARMS", "CALLS", "DIFF", "SLOW", "judgement", "plan", "run_info", "scenario", "write_run"]

SAMPLE = np.dtype(
    [
        ("due_ns", "i8"),
        ("sent_ns", "i8"),
        ("done_ns", "i8"),
        ("status", "i2"),
        ("bytes", "i4"),
        ("name", "u2"),
        ("error", "u1"),
    ]
)


def samples(role: Role, start_ns: int, noise: np.random.Generator) -> np.ndarray:
    """60 requests: about 5 ms each, and a pile-up after the expiry at 50 ms where the arm has the fault."""
    found = np.zeros(60, dtype=SAMPLE)
    due = np.sort(noise.uniform(0, 0.6, 60))
    latency = noise.lognormal(np.log(0.0046), 0.25, 60)
    caught = (due > 0.05) & (due < 0.05 + (0.14 if role in ("problem", "placebo") else 0.028))
    if role in ("problem", "placebo"):
        latency[caught] = 0.27 - (due[caught] - 0.05) * 0.9 + noise.normal(0, 0.012, caught.sum())
    elif role == "fix":
        latency[caught] = 0.05 + 0.03 - due[caught] + np.abs(noise.normal(0, 0.002, caught.sum()))
    found["due_ns"] = start_ns + (due * 1e9).astype("i8")
    found["sent_ns"] = found["due_ns"] + 120_000
    found["done_ns"] = found["due_ns"] + (np.abs(latency) * 1e9).astype("i8")
    found["status"], found["bytes"] = 200, 1840
    return found


def _block(
    n: int, slot: int, arm: str, start_ns: int, found: np.ndarray, *, tail: bool, disturbed: bool
) -> Block:
    times = (found["done_ns"] - found["due_ns"]) / 1e6
    faulty = ARMS[arm] != "healthy"
    calls = {"healthy": None, "fix": 1.0}.get(ARMS[arm], float((times > 40).sum() + 3))
    return Block(
        n=n,
        group=1,
        stratum=slot // 12,
        slot=slot,
        arm=arm,
        role=ARMS[arm],
        phase="tail" if tail else "slot",
        start_ns=start_ns,
        length_s=0.6,
        attempt=1,
        disturbed=disturbed,
        reasons=("the machine stalled for 240 ms",) if disturbed else (),
        values={SLOW: float((times > 100).mean()), CALLS: calls},
        counts={"asked": 60, "sent": 60, "done": 60, "failed": 0, "events": int(faulty)},
        shown={
            "p50_ms": float(np.median(times)),
            "p95_ms": float(np.percentile(times, 95)),
            "p99_ms": float(np.percentile(times, 99)),
            "max_ms": float(times.max()),
            "requests": 60.0,
        },
    )


def write_run(out: Path, *, with_samples: bool = True) -> RunFolder:
    """The whole run folder, as a real run leaves it."""
    the_plan = plan()
    folder = RunFolder.create(out, scenario().source, "k3v9x2", the_plan)
    noise = np.random.default_rng(7)
    slots = [(arm, False) for stratum in the_plan.groups[0].order[:2] for arm in stratum]
    now, n = 1_000_000_000_000, 0
    for arm in ARMS:
        folder.event("arm-up", arm, "answers", {"seconds": 1.4}, t_ns=now - 3_000_000_000)
    for slot, (arm, tail) in enumerate([*slots, *[("single-flight", True)] * 11]):
        for disturbed in (True, False) if slot == 9 else (False,):
            found = samples(ARMS[arm], now, noise)
            if with_samples:
                np.save(folder.samples_path(n), found)
            folder.append_block(_block(n, slot, arm, now, found, tail=tail, disturbed=disturbed))
            if ARMS[arm] != "healthy":
                folder.event("event", arm, "expiry", {"deleted": 1}, t_ns=now + 50_000_000)
            now, n = now + (700_000_000 if tail else 1_000_000_000), n + 1
    _conclude(folder)
    return folder


def _conclude(folder: RunFolder) -> None:
    for arm in ("problem", "single-flight"):
        folder.save_evidence(
            f"{arm}.explain",
            Evidence(
                title="The plan of the ranking query",
                command="EXPLAIN (ANALYZE, BUFFERS) SELECT product_id, sum(quantity) FROM order_items …",
                text=PLAN_TEXT,
                kind="explain",
            ),
        )
        calls = 198 if arm == "problem" else 17
        folder.save_evidence(
            f"{arm}.statements",
            Evidence(
                title="Statements by total time",
                command="SELECT calls, mean_exec_time, query FROM pg_stat_statements ORDER BY 2 DESC",
                text=f" calls | mean ms | query\n-------+---------+------------------------------\n"
                f" {calls:5} |   22.41 | SELECT product_id, sum(quantity) … /* ranking */\n",
                kind="statements",
            ),
        )
    folder.write_judgement(judgement())
    folder.write_run(run_info())


def run_info() -> RunInfo:
    return RunInfo(
        run="k3v9x2",
        scenario="stampede",
        stack="embedded",
        seed=7,
        started="2026-11-20T09:14:02+00:00",
        machine=Machine(
            cores=2, memory_bytes=8_000_000_000, kernel="Linux 6.1.0", python="3.11.9", cpu="x86-64"
        ),
        versions={"postgres": "18.6", "valkey": "9.1", "python": "3.11.9", "locust": "2.47.0"},
        load_s=21.6,
        wall_s=54.2,
        exit=0,
        warnings=("the machine was busy: load 3.1 on 2 cores",),
        again="lab run stampede --seed 7",
    )


def judgement() -> Judgement:
    verdicts = (
        _verdict("single-flight", "resolved", 1.0, 0.0, (-16.2, -17.6, -14.9), (-0.21, -0.26, -0.17)),
        _verdict("placebo", "not-resolved", 17.4, 0.212, (0.2, -2.1, 2.4), (0.002, -0.05, 0.05)),
    )
    around = Around(design=plan().design, slots=24, disturbed=1)
    return Judgement(
        scenario="stampede", seed=7, problem_reproduced=True, verdicts=explained(verdicts, around)
    )


def _verdict(
    fix: str,
    state: str,
    calls: float,
    slow: float,
    calls_effect: tuple[float, ...],
    slow_effect: tuple[float, ...],
) -> Verdict:
    resolved = state == "resolved"
    reason = (
        "recomputations per expiry 1.0 against 17.2 and never above the limit of 1 in 17 blocks; "
        "slow answers 0 % against 21 %"
        if resolved
        else "recomputations per expiry 17.4 against 17.2, and above the limit of 1 in 6 of 6 blocks"
    )
    return Verdict(
        fix=fix,
        arm=fix,
        group=1,
        documented=resolved,
        state=state,
        expected=True,
        reason=reason,
        reason_code="resolved" if resolved else "no-gain",
        measures=(
            MeasureResult(
                name=SLOW,
                unit="share",
                problem=0.21,
                fixed=slow,
                healthy=0.0,
                ratio=slow_effect[0],
                lower=slow_effect[1],
                upper=slow_effect[2],
                limit=0.05,
                scale="difference",
                facts=("REP", "BETTER", "WITHIN") if resolved else ("REP", "ABOVE", "NOGAIN"),
            ),
            MeasureResult(
                name=CALLS,
                unit="calls",
                problem=17.2,
                fixed=calls,
                healthy=None,
                ratio=calls_effect[0],
                lower=calls_effect[1],
                upper=calls_effect[2],
                limit=1,
                scale="difference",
                cause=True,
                facts=("REP", "BETTER", "WITHIN") if resolved else ("REP", "ABOVE", "NOGAIN"),
            ),
        ),
        looks=1,
        blocks=17 if resolved else 6,
        agree=18 if resolved else 9,
        pairs=18,
        agree_on=CALLS,
        chance="once in 400 runs" if resolved else None,
        tail_clean=17 if resolved else None,
        tail_of=17 if resolved else None,
        bad_share_below=0.24 if resolved else None,
        could_see=1.9,
    )
