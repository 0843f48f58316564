"""The scenario and the plan of the plausible run."""

from __future__ import annotations

import random

from lab.model.run import (
    Arm,
    BlockPlan,
    Design,
    FixPlan,
    Group,
    MeasureSpec,
    Plan,
    Role,
)
from lab.model.scenario import (
    EvidenceUse,
    FaultUse,
    FixUse,
    Healthy,
    Load,
    Measure,
    Prose,
    Request,
    Scenario,
    StackNeeds,
)

SLOW, CALLS = "slow answers", "recomputations per expiry"
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
        healthy=Healthy(),
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
