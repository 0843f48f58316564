"""Three arms of the same code under the same load, from their start to their end: a run without fault or fix."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter

from lab.model.kinds import Kinds
from lab.model.measures import measure_specs
from lab.model.run import Arm, Block, Design, Group, Plan, Role
from lab.model.scenario import Scenario
from lab.model.stack import Stack
from lab.plan import Choice, make_plan
from lab.runner import Request as Run
from lab.runner import run
from lab.runner.progress import Silent
from lab.verdict import child_seed, order
from parts.equal import DESIGN, Restart
from parts.findings import say

ARMS: dict[str, Role] = {"first": "healthy", "second": "problem", "third": "placebo"}
"""All are equal. The roles are those of which ``verdict_replay.py --record`` makes a series."""

_WRITTEN = {
    "slug": "equal-arms",
    "source": "# three equal arms: GET /products/top at 150/s, blocks of 500 ms\n",
    "path": "equal-arms.yaml",
    "prose": {
        "title": "Arms of the same code",
        "guide": "None",
        "problem": "None: no fault is injected.",
        "symptom": "None.",
        "diagnosis": "None.",
        "cause": "Two processes of the same code differ for as long as they live.",
    },
    "stack": {},
    "load": {
        "rate": "150/s",
        "warm_up": "2s",
        "block": "500ms",
        "requests": [{"name": "ranking", "get": "/products/top"}],
    },
    "faults": [],
    "symptoms": [
        {"name": "p50", "measure": "latency.p50"},
        {"name": "p95", "measure": "latency.p95"},
        {"name": "mean", "measure": "latency.mean"},
        {"name": "share over 2 ms", "measure": "latency.share_over", "over": "2ms"},
        {"name": "calls per request", "measure": "postgres.calls", "of": "ranking", "per": "request"},
        {"name": "memory peak", "measure": "memory.peak"},
    ],
    "guardrails": [],
    "fixes": {},
}


def equal_scenario() -> Scenario:
    """One page that is read from the cache, at 150 requests a second; nothing happens to it.

    No scenario file can say so: it would have to name a fault, and a fix.
    """
    return TypeAdapter(Scenario).validate_python(_WRITTEN)


def equal_plan(scenario: Scenario, kinds: Kinds, stack: str, seed: int, looks: int) -> Plan:
    """The plan of a run whose arms are all healthy, in the judge's shuffled strata of its first ``looks``.

    It has a single look, at its end: nothing may stop it before.
    """
    plan = make_plan(scenario, Choice(fixes=(), seed=seed, stack=stack), measure_specs(scenario, kinds))
    names, last = tuple(ARMS), slice(looks - 1, looks)
    design = Design(
        looks=DESIGN.looks[last],
        allowed=DESIGN.allowed[last],
        over_limit=DESIGN.over_limit[last],
        alpha=DESIGN.alpha[last],
    )
    slots = order(child_seed(seed, plan.scenario_sha256, "order"), names, design.looks[0], design.per_stratum)
    return replace(
        plan,
        design=design,
        arms=tuple(Arm(name=name, role=role, group=1, faulty=False) for name, role in ARMS.items()),
        groups=(Group(n=1, arms=names, order=slots),),
    )


def restart(n: int, *, stack: Stack, kinds: Kinds, seed: int, looks: int, out: Path) -> Restart:
    """Start three arms anew, measure them, end them. Raises whatever stopped the run, with nothing left."""
    scenario = equal_scenario()
    plan = equal_plan(scenario, kinds, stack.kind, seed, looks)
    asked = Run(scenario=scenario, plan=plan, stack=stack, kinds=kinds, out=out, again="")
    finished = run(asked, Spoken(plan))
    if finished.stopped is not None:
        raise finished.stopped
    return Restart(n=n, plan=plan, blocks=finished.folder.read_blocks())


class Spoken(Silent):
    """Says how far a run is, beside the result."""

    def __init__(self, plan: Plan) -> None:
        self._strata = plan.design.looks[-1]
        self._told = -1

    def phase(self, text: str) -> None:
        say(f"  {text}")

    def note(self, text: str) -> None:
        say(f"  {text}")

    def block(self, block: Block) -> None:
        if block.stratum > self._told and block.phase == "slot":
            self._told = block.stratum
            say(f"  stratum {block.stratum + 1} of {self._strata}")
