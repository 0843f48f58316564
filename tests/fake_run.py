"""A plausible stampede run, written to a folder by the real store: what the report tests render."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np

from lab.model.report import Machine, Report, RunInfo
from lab.model.run import (
    Arm,
    Block,
    BlockPlan,
    Design,
    FixPlan,
    Group,
    Judgement,
    MeasureResult,
    MeasureSpec,
    Plan,
    Role,
    Verdict,
)
from lab.model.scenario import (
    EvidenceUse,
    FaultUse,
    FixUse,
    Load,
    Measure,
    Prose,
    Request,
    Scenario,
    StackNeeds,
    State,
)
from lab.model.stack import Evidence
from lab.store import RunFolder

SLOW, CALLS = "slow answers", "recomputations per expiry"
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
DIFF = """--- problem
+++ single_flight
@@ -1,6 +1,12 @@
 async def top_products(shop: Shop) -> Ranking:
     cached = await shop.redis.get("ranking")
     if cached is not None:
         return Ranking.model_validate_json(cached)
-    ranking = await shop.ranking()
-    await shop.redis.set("ranking", ranking.model_dump_json(), ex=3600)
-    return ranking
+    # whoever comes first recomputes; everybody else waits for that answer
+    running = shop.running.get("ranking")
+    if running is None:
+        running = asyncio.create_task(recompute(shop))
+        shop.running["ranking"] = running
+        running.add_done_callback(lambda _: shop.running.pop("ranking"))
+    return await asyncio.shield(running)
"""
PLAN_TEXT = """Limit  (cost=9431.10..9431.12 rows=10 width=44) (actual time=21.812..21.815 rows=10 loops=1)
  Buffers: shared hit=2451
  ->  Sort  (cost=9431.10..9443.60 rows=5000 width=44) (actual time=21.811..21.812 rows=10 loops=1)
        Sort Key: (sum(order_items.quantity)) DESC
        Sort Method: top-N heapsort  Memory: 26kB
        ->  HashAggregate  (cost=9260.60..9310.60 rows=5000) (actual time=20.904..21.391 rows=5000 loops=1)
              Group Key: order_items.product_id
              ->  Seq Scan on order_items  (cost=0.00..7260.40 rows=400040) (actual rows=400040 loops=1)
"""
ARMS: dict[str, Role] = {
    "healthy": "healthy",
    "problem": "problem",
    "placebo": "placebo",
    "single-flight": "fix",
}


def scenario() -> Scenario:
    return Scenario(
        slug="stampede",
        source="title: Cache stampede\n",
        path="scenarios/stampede.yaml",
        prose=Prose(
            title="Cache stampede",
            guide="Caching issues: cache stampede",
            problem="A popular key expires, and every request that misses it recomputes the same answer.",
            symptom="Every time the ranking expires, latency jumps for a moment and the database is busy.",
            diagnosis="Count how often the ranking query runs for one expiry: pg_stat_statements knows.",
            cause="Nothing tells the second request that the first is already computing what both need.",
        ),
        stack=StackNeeds(),
        healthy="fault-off",
        load=Load(rate="100/s", requests=(Request(name="ranking", get="/products/top"),), block="600ms"),
        faults=(FaultUse(kind="expire-key", params=None, when="each-block", event_window="500ms"),),
        symptoms=(
            Measure(name=SLOW, measure="latency.share_over", of="ranking", over="100ms", limit=0.05),
            Measure(name=CALLS, measure="postgres.calls", of="ranking", per="expiry", limit=1, cause=True),
        ),
        guardrails=(),
        fixes={
            "single-flight": FixUse(
                kind="code",
                params=None,
                documented=True,
                why="Requests that miss at the same moment share one recomputation.",
                costs="Everyone who waits feels a slow recomputation; each process still has its own.",
            )
        },
        evidence=(EvidenceUse(kind="explain", params=None, title="The plan of the ranking query"),),
    )


def plan() -> Plan:
    order = random.Random(7)
    strata = [order.sample([arm for arm in ARMS for _ in range(3)], 12) for _ in range(8)]
    return Plan(
        scenario="stampede",
        scenario_sha256="9f" * 32,
        seed=7,
        stack="embedded",
        has_healthy=True,
        design=Design(),
        measures=(
            MeasureSpec(
                name=SLOW, measure="latency.share_over", unit="share", scale="difference", limit=0.05
            ),
            MeasureSpec(
                name=CALLS, measure="postgres.calls", unit="calls", scale="difference", cause=True, limit=1
            ),
        ),
        arms=tuple(
            Arm(name=name, role=role, group=1, fix=name if role == "fix" else None, faulty=role != "healthy")
            for name, role in ARMS.items()
        ),
        groups=(Group(n=1, arms=tuple(ARMS), order=tuple(tuple(s) for s in strata)),),
        fixes=(FixPlan(name="single-flight", group=1, documented=True, expect=("resolved",)),),
        block=BlockPlan(
            length_s=0.6,
            gap_s=0.4,
            tail_gap_s=0.1,
            rate=100.0,
            arrivals="poisson",
            timeout_s=2.0,
            warm_up_s=2.0,
            arrivals_seed=7,
        ),
        h_p50_s=0.004,
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
    return Judgement(
        scenario="stampede",
        seed=7,
        problem_reproduced=True,
        verdicts=(
            _verdict("single-flight", "resolved", 1.0, 0.0, (-16.2, -17.6, -14.9), (-0.21, -0.26, -0.17)),
            _verdict("placebo", "not-resolved", 17.4, 0.212, (0.2, -2.1, 2.4), (0.002, -0.05, 0.05)),
        ),
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
                facts=("reproduced", "better", "within") if resolved else ("reproduced", "above"),
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
                facts=("reproduced", "better", "within") if resolved else ("reproduced", "above"),
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
    )


STATES: dict[str, State] = {
    "single-flight": "resolved",
    "distributed-lock": "improved",
    "stale-while-revalidate": "not-resolved",
    "early-expiry": "inconclusive",
    "a-fix-with-a-rather-long-name": "regressed",
}


def with_many_fixes(report: Report) -> Report:
    """The same run with five fixes that came out in five ways, and two of them against what was expected."""
    verdict, placebo = report.judgement.verdicts
    arm = report.plan.arm("single-flight")
    verdicts = [
        replace(
            verdict,
            fix=name,
            arm=name,
            state=state,
            documented=name in ("single-flight", "distributed-lock"),
            expected=state not in ("improved", "regressed"),
            expect=("not-resolved",) if state == "not-resolved" else ("resolved",),
            more_blocks=38 if state == "inconclusive" else None,
        )
        for name, state in STATES.items()
    ]
    arms = [replace(arm, name=name, fix=name) for name in STATES]
    others = [other for other in report.plan.arms if other.name != "single-flight"]
    copied = [
        replace(block, arm=name, n=block.n + 100 * n)
        for n, name in enumerate(list(STATES)[1:], 1)
        for block in report.blocks
        if block.arm == "single-flight"
    ]
    return replace(
        report,
        plan=replace(report.plan, arms=(*others, *arms)),
        judgement=replace(report.judgement, verdicts=(*verdicts, placebo)),
        blocks=(*report.blocks, *copied),
    )


def without_verdict(report: Report) -> Report:
    """The same run, interrupted before anything could be judged."""
    return replace(
        report,
        judgement=Judgement(
            scenario="stampede", seed=7, verdicts=(), void="the run ended before there was a verdict"
        ),
        blocks=(),
        timeline={},
        curves={},
        profiles={},
        evidence={},
        info=replace(report.info, exit=130),
    )


def without_limits(report: Report) -> Report:
    """The same run with a latency that is compared with healthy, as quotients, and a bound left open."""
    (verdict, placebo), spec = report.judgement.verdicts, report.plan.measures[0]
    latency = replace(
        verdict.measures[0],
        name="latency p50",
        unit="ms",
        scale="ratio",
        limit=None,
        problem=42.0,
        fixed=4.4,
        healthy=4.1,
        ratio=0.108,
        lower=0.09,
        upper=None,
        to_healthy=1.07,
        to_healthy_lower=0.98,
        to_healthy_upper=1.2,
    )
    same = replace(latency, fixed=43.0, ratio=1.02, lower=0.95, upper=1.1)
    judged = (replace(verdict, measures=(latency,)), replace(placebo, measures=(same,)))
    plain = replace(
        spec, name="latency p50", measure="latency.p50", unit="ms", scale="ratio", limit=None, tau=1.5
    )
    blocks = tuple(
        replace(
            b,
            values={
                "latency p50": (b.shown["p50_ms"] or 1.0) * (9 if b.role in ("problem", "placebo") else 1)
            },
        )
        for b in report.blocks
    )
    return replace(
        report,
        plan=replace(report.plan, measures=(plain,)),
        judgement=replace(report.judgement, verdicts=judged),
        blocks=blocks,
    )
