"""From a scenario and a seed to a plan: arms, groups, shuffled order, seeds. Pure; nothing is started."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from types import MappingProxyType

from lab.errors import LabError
from lab.model.run import Arm, BlockPlan, Control, Design, FixPlan, Group, MeasureSpec, Plan, control_fix
from lab.model.scenario import FixUse, Load, Scenario, Stage, State
from lab.model.stack import ArmSpec
from lab.verdict import child_seed, order
from lab.verdict.calm import CALM

GAP_S = 0.25
TAIL_GAP_S = 0.1
MOST_ARMS = 6
OWN = frozenset({"load"})  # what the lab does itself, whatever the stack
PROBLEM = "problem"  # the variant of a problem module that has the problem
STRICT_TAIL = 44  # clean blocks that leave room for fewer than 10 % bad ones, with 99 % certainty

CLAIMS: dict[Control, tuple[State, ...]] = {
    "placebo": ("not-resolved", "improved", "regressed", "inconclusive", "not-reproduced", "void"),
    "perfect": ("resolved",),
}
"""The states in which a control may end. What a run cannot tell of a placebo does not refute it."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the person asked for: which fixes, which seed, with or without the placebo arm.

    ``rate`` replaces the scenario's mean rate; stages keep their shape. ``control_as_fix`` puts one arm in
    the place of all ``fixes``: ``placebo``, the problem with their side effects only and no placebo arm
    beside it, or ``perfect``, without any fault. ``strict`` asks for the longer confirm tail, also where
    the scenario does not. ``calm`` asks what the fixes cost where nothing is wrong: nothing is judged then.
    """

    fixes: tuple[str, ...]
    seed: int
    stack: str
    control: bool = True
    rate: float | None = None
    control_as_fix: Control | None = None
    strict: bool = False
    calm: bool = False


def choose_fixes(scenario: Scenario, asked: str | None) -> tuple[str, ...]:
    """Names of the fixes that ``--fix`` asks for: documented ones by default, ``all``, ``none``, ``first`` or names."""
    if asked is None:
        return scenario.documented
    if asked == "first":
        return scenario.documented[:1]
    if asked == "all":
        return tuple(scenario.fixes)
    if asked == "none":
        return ()
    names = tuple(dict.fromkeys(name.strip() for name in asked.split(",")))
    for name in names:
        if name not in scenario.fixes:
            raise LabError(
                f"{scenario.slug} has no fix {name!r}",
                where=scenario.path,
                why=f"its fixes are {', '.join(scenario.fixes)}",
                do="name one of them, or --fix all, or --fix none",
            )
    return names


def refuse_unmet_needs(
    scenario: Scenario,
    fixes: Sequence[str],
    stack: str,
    offers: frozenset[str],
    lacks: Callable[[str], str] = lambda _capability: "",
    others: Mapping[str, frozenset[str]] = MappingProxyType({}),
) -> None:
    """LabError where a fault, a fix or a probe asks for what the stack does not offer, or lacks here.

    ``others`` are further stacks with what they offer, for the advice.
    """
    offers = offers | OWN
    wants = [(f"fault {use.kind}", use.params) for use in scenario.faults]
    wants += [(f"fix {name}", scenario.fixes[name].params) for name in fixes]
    wants += [(f"probe {use.kind}", use.params) for use in scenario.evidence]
    unmet = {what: sorted(set(params.needs) - offers) for what, params in wants}
    lacking = [f"{what} needs {', '.join(needs)}" for what, needs in unmet.items() if needs]
    here = [(what, need) for what, params in wants for need in sorted(set(params.needs) & offers)]
    lacking += [f"{what}: {lacks(need)}" for what, need in here if lacks(need)]
    if lacking:
        raise LabError(
            f"the {stack} stack cannot run {scenario.slug}",
            where=scenario.path,
            why="; ".join(lacking),
            do=_could(scenario, {need for _, params in wants for need in params.needs}, others),
        )


def _could(scenario: Scenario, needs: set[str], others: Mapping[str, frozenset[str]]) -> str:
    able = [name for name, offers in others.items() if needs <= offers | OWN]
    if able:
        return f"take a stack that can: {' or '.join(f'--stack {name}' for name in able)}"
    return f"no stack can: leave the part out of {scenario.path}, or see lab list stacks"


def linked_services(scenario: Scenario) -> frozenset[str]:
    """Services, instances of the app among them, before which a link stands because a fault acts on it.

    LabError for one that the stack has not.
    """
    linked = {use.params.link: use.kind for use in scenario.faults if "link" in use.params.needs}
    for service, kind in linked.items():
        if service not in scenario.stack.names:
            raise LabError(
                f"{kind} has no link to act on",
                where=scenario.path,
                why=f"the stack of {scenario.slug} has no {service}",
                do=f"name {service} in stack.services, or another service as the fault's link",
            )
    return frozenset(linked)


def problem_module(scenario: Scenario) -> str:
    """The module of the sample app that belongs to a scenario."""
    return scenario.stack.module or scenario.slug.replace("-", "_")


def make_plan(scenario: Scenario, choice: Choice, measures: Sequence[MeasureSpec]) -> Plan:
    """Decide everything that is decided before the first request."""
    sha = hashlib.sha256(scenario.source.encode()).hexdigest()
    design = _design(scenario, choice)
    groups, arms, fixes = [], [], []
    for n, names in enumerate(_groups(scenario, choice), start=1):
        members = _arms(scenario, choice, n, names)
        arms += members
        fixes += _fix_plans(scenario, choice, n, names)
        groups.append(_group(n, members, design, child_seed(choice.seed, sha, f"order {n}")))
    return Plan(
        scenario=scenario.slug,
        scenario_sha256=sha,
        seed=choice.seed,
        stack=choice.stack,
        has_healthy="healthy" in _common_roles(scenario, choice),
        design=design,
        measures=tuple(measures),
        arms=tuple(arms),
        groups=tuple(groups),
        fixes=tuple(fixes),
        block=_block(scenario, choice, child_seed(choice.seed, sha, "arrivals")),
    )


def _design(scenario: Scenario, choice: Choice) -> Design:
    if choice.calm:
        return CALM
    return Design(tail=STRICT_TAIL) if scenario.strict or choice.strict else Design()


def _groups(scenario: Scenario, choice: Choice) -> list[list[str]]:
    """Fixes that share their arms' shape run side by side, at most ``MOST_ARMS`` arms at once."""
    if choice.calm and not choice.fixes:
        raise LabError(
            f"{scenario.slug} has no fix here whose cost could be measured",
            where=scenario.path,
            do=f"name one with --fix: {', '.join(scenario.fixes)}"
            if scenario.fixes
            else "name another scenario",
        )
    if choice.control_as_fix is not None:
        return [list(choice.fixes[:1])]  # the control takes the shape of the first
    by_shape: dict[int, list[str]] = {}
    for name in choice.fixes:
        shape = scenario.fixes[name].processes or scenario.stack.processes
        by_shape.setdefault(shape, []).append(name)
    room = MOST_ARMS - len(_common_roles(scenario, choice))
    chunks = [names[i : i + room] for names in by_shape.values() for i in range(0, len(names), room)]
    return chunks or [[]]


def _common_roles(scenario: Scenario, choice: Choice) -> list[str]:
    if choice.calm:
        return ["healthy"]
    roles = ["healthy"] if scenario.healthy.by != "limit" else []
    beside = choice.control and choice.control_as_fix != "placebo"  # which is the placebo arm itself
    return [*roles, "problem", *(["placebo"] if beside else [])]


def _arms(scenario: Scenario, choice: Choice, group: int, fixes: Sequence[str]) -> list[Arm]:
    suffix = "" if group == 1 else f".{group}"
    processes = next((scenario.fixes[f].processes for f in fixes), None) or scenario.stack.processes
    common = [
        Arm(
            name=role + suffix,
            role=role,  # type: ignore[arg-type]
            group=group,
            faulty=role != "healthy",
            code=_code(scenario, well=role == "healthy"),
            processes=processes,
        )
        for role in _common_roles(scenario, choice)
    ]
    if choice.control_as_fix is not None:
        return [*common, _control_arm(scenario, choice.control_as_fix, group, processes)]
    made = [_fix_arm(scenario, name, group, processes) for name in fixes]
    return common + ([_calm(arm) for arm in made] if choice.calm else made)


def _code(scenario: Scenario, *, well: bool) -> dict[str, str]:
    """The variants of an arm without a fix. Of several modules that could balance, one has to be named."""
    if well and scenario.healthy.by == "code":
        return {problem_module(scenario): scenario.healthy.code}
    return {problem_module(scenario): PROBLEM} if scenario.stack.instances > 1 else {}


def _control_arm(scenario: Scenario, control: Control, group: int, processes: int) -> Arm:
    name, faulty = control_fix(control), control == "placebo"
    code = _code(scenario, well=not faulty)
    return Arm(name=name, role="fix", group=group, fix=name, faulty=faulty, code=code, processes=processes)


def _fix_arm(scenario: Scenario, name: str, group: int, processes: int) -> Arm:
    bare = ArmSpec(name=name, code=_code(scenario, well=False))
    spec = scenario.fixes[name].params.prepare(bare, problem_module(scenario))
    return Arm(name=name, role="fix", group=group, fix=name, code=spec.code, processes=processes)


def _calm(arm: Arm) -> Arm:
    """The same arm without any fault: it is measured, not judged."""
    return replace(arm, name=f"calm-{arm.name}", role="calm", faulty=False)


def _fix_plans(scenario: Scenario, choice: Choice, group: int, names: Sequence[str]) -> list[FixPlan]:
    control = choice.control_as_fix
    if choice.calm:
        return []
    if control is None:
        return [_fix_plan(name, group, scenario.fixes[name]) for name in names]
    claim = FixPlan(
        name=control_fix(control),
        group=group,
        documented=False,
        expect=CLAIMS[control],
        stands_for=choice.fixes,
    )
    return [claim]


def _fix_plan(name: str, group: int, fix: FixUse) -> FixPlan:
    return FixPlan(
        name=name,
        group=group,
        documented=fix.documented,
        expect=fix.expect,
        expect_reason=fix.expect_reason,
    )


def _group(n: int, arms: Sequence[Arm], design: Design, seed: int) -> Group:
    names = tuple(arm.name for arm in arms)
    return Group(n=n, arms=names, order=order(seed, names, design.looks[-1], design.per_stratum))


def _block(scenario: Scenario, choice: Choice, seed: int) -> BlockPlan:
    load = scenario.load
    rate = load.rate if choice.rate is None else _asked_rate(scenario, choice.rate)
    return BlockPlan(
        length_s=load.block,
        gap_s=GAP_S,
        tail_gap_s=TAIL_GAP_S,
        rate=rate,
        arrivals=load.arrivals,
        timeout_s=load.timeout,
        warm_up_s=load.warm_up,
        arrivals_seed=seed,
        stages=_stages(load, rate),
        users=load.users,
        locustfile=_beside(scenario.path, load.locustfile),
        user_classes=load.classes,
    )


def _asked_rate(scenario: Scenario, rate: float) -> float:
    if scenario.load.users:
        raise LabError(
            f"{scenario.slug} has no rate to set",
            where=scenario.path,
            why=f"its load is closed: {scenario.load.users} users who each wait for their answer",
            do="leave the rate out, or write load.rate instead of load.users",
        )
    if not (rate > 0 and math.isfinite(rate)):
        raise LabError(
            f"no load can have a rate of {rate:g}/s",
            why="a rate is a number above 0",
            do="ask for another rate",
        )
    return rate


def _stages(load: Load, rate: float) -> tuple[Stage, ...]:
    """The written stages, brought to this mean rate."""
    factor = rate / load.rate if load.stages and rate != load.rate else 1.0
    return tuple(
        Stage(rate=one.rate * factor, length=one.length, to=None if one.to is None else one.to * factor)
        for one in load.stages
    )


def _beside(scenario: str, locustfile: str | None) -> str | None:
    """A path that is written in a scenario's file counts from the folder of that file."""
    return None if locustfile is None else str(PurePath(scenario).parent / locustfile)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Seconds of a run from the first server to the report, by the look at which it is decided."""

    looks: tuple[float, ...]
    disk_mb_per_arm: int = 250


def estimate(plan: Plan) -> Estimate:
    """How long the run takes when everything is decided at look 1, 2 or 3, with drains of one time-out an arm."""
    slot = plan.block.length_s + plan.block.gap_s
    tail_slot = plan.block.length_s + plan.block.tail_gap_s
    totals = []
    for strata in plan.design.looks:
        seconds = 0.0
        for group in plan.groups:
            fixes = sum(plan.arm(a).role == "fix" for a in group.arms)
            blocks = strata * plan.design.per_stratum
            seconds += len(group.arms) * (blocks * slot + 2 * plan.block.warm_up_s + 1.5)
            seconds += fixes * max(0, plan.design.tail - blocks) * tail_slot + 6
        totals.append(seconds)
    return Estimate(looks=tuple(totals))
