"""How the run was made and what it could have seen: the design, the fault's proof, the environment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from lab.model.report import Generator, Report
from lab.model.run import BlockPlan
from lab.report import numbers
from lab.report.arms import Look
from lab.report.doses import fault_doses, in_words

_WORTH_SAYING_S = 0.001  # a fix that is a code path takes no time to apply


@dataclass(frozen=True)
class Fact:
    term: str
    said: str


@dataclass(frozen=True)
class FaultRow:
    """What the events say of one fault in one arm."""

    look: Look
    fault: str
    on: int
    off: int
    delivered: str
    measured: tuple[str, ...] = ()
    healed: bool | None = None


def design(report: Report) -> tuple[Fact, ...]:
    """The experiment, as it was planned before the first request."""
    plan, block = report.plan, report.plan.block
    judged = [b for b in report.blocks if b.phase != "closing"]
    disturbed = sum(b.disturbed for b in judged)
    strata = f"shuffled rounds of {plan.design.per_stratum} blocks an arm, order drawn from the seed"
    return (
        Fact("Arms", f"{len(plan.arms)}, each an app with servers of its own"),
        Fact("Order", strata),
        Fact("Blocks", f"{len(judged)} of {block.length_s:g} s with {block.gap_s:g} s between them"),
        Fact("Disturbed", _counted(disturbed)),
        *_load(block),
        Fact("Time-out", f"{block.timeout_s:g} s; an unanswered request counts as failed"),
        Fact("Seed", str(plan.seed)),
    )


def _load(block: BlockPlan) -> tuple[Fact, Fact]:
    if block.users:
        return (
            Fact(
                "Load", f"{block.users} users who each wait for their answer before they ask again (closed)"
            ),
            Fact(
                "Latency", "counts from when a user asked, so a stalled app hides the requests it prevented"
            ),
        )
    what = "journeys of users" if block.locustfile is not None else "requests"
    arrivals = "at random moments (Poisson)" if block.arrivals == "poisson" else "at even distances"
    stages = f" on average in {len(block.stages)} stages" if block.stages else ""
    return (
        Fact("Load", f"{block.rate:g} {what} a second{stages}, {arrivals}, whatever the app does"),
        Fact("Latency", "counts from the moment a request was due, so a stalled app cannot hide requests"),
    )


def _counted(disturbed: int) -> str:
    if not disturbed:
        return "none"
    return f"{disturbed} block{'s' if disturbed > 1 else ''}, measured again at once"


def power(report: Report) -> tuple[Fact, ...]:
    """What the design can prove, and how rarely it is wrong."""
    design, found = report.plan.design, []
    for look, allowed, alpha in zip(design.looks, design.allowed, design.alpha, strict=False):
        pairs = look * design.per_stratum**2
        blocks = look * design.per_stratum
        found.append(
            Fact(
                f"After {blocks} blocks an arm",
                f"at least {pairs - allowed} of {pairs} side-by-side comparisons must agree; "
                f"a placebo does that {_once(alpha)}",
            )
        )
    bad = 1 - 0.01 ** (1 / design.tail)
    found.append(
        Fact(
            "Before RESOLVED",
            f"{design.tail} blocks of the fix in a row within what is allowed: "
            f"a fix that fails in more than {numbers.share(bad)} of its blocks passes once in 100 runs",
        )
    )
    return tuple(found)


def _once(alpha: float) -> str:
    return f"once in {round(1 / alpha):,} runs" if alpha > 0 else "never"


def happenings(report: Report) -> tuple[Fact, ...]:
    """What was done to the arms while the load went on: how long a fix took, when something recovered."""
    said = {"fix-applied": "the fix took", "recovered": "recovered after"}
    found: dict[tuple[str, str], list[float]] = {}
    for event in report.events:
        seconds = event.data.get("seconds")
        if event.kind in said and isinstance(seconds, int | float):
            found.setdefault((event.arm, event.kind), []).append(seconds)
    return tuple(
        Fact(arm, f"{said[kind]} {_typically(seconds)}")
        for (arm, kind), seconds in found.items()
        if max(seconds) >= _WORTH_SAYING_S
    )


def _typically(seconds: Sequence[float]) -> str:
    """The time of what happened once, or the median and the longest of what happened again and again."""
    middle, longest = (numbers.milliseconds(of(seconds) * 1e3) for of in (median, max))
    return (
        middle if len(seconds) == 1 else f"{middle} in the median of {len(seconds)} times, {longest} at most"
    )


def faults(report: Report, looks: dict[str, Look]) -> tuple[FaultRow, ...]:
    """Proof that each fault bit, and that it was undone."""
    struck: Counter[tuple[str, str]] = Counter()
    over: Counter[tuple[str, str]] = Counter()
    delivered: dict[tuple[str, str], str] = {}
    for event in report.events:
        key = (event.arm, event.what)
        if event.arm not in looks or event.kind not in ("fault-on", "fault-off", "event"):
            continue
        struck[key] += event.kind in ("fault-on", "event")
        over[key] += event.kind in ("fault-off", "event")
        if event.data and key not in delivered:
            delivered[key] = ", ".join(f"{name} {value}" for name, value in event.data.items())
    doses = {(one.arm, one.fault): one for one in fault_doses(report.events)}
    ordered = sorted(struck, key=lambda key: list(looks).index(key[0]))
    return tuple(
        FaultRow(
            looks[key[0]],
            key[1],
            struck[key],
            over[key],
            delivered.get(key, ""),
            tuple(map(in_words, doses[key].doses)) if key in doses else (),
            doses[key].healed if key in doses else None,
        )
        for key in ordered
    )


def _generator(found: Generator | None) -> tuple[Fact, ...]:
    """What the load generator could do there, and how much of it the run asked for."""
    if found is None:
        return ()
    asked = (
        ""
        if found.share_of_ceiling is None
        else f", this run asked for {numbers.share(found.share_of_ceiling)}"
    )
    because = f" ({found.because})" if found.because else ""
    workers = f" in {found.workers} processes" if found.workers > 1 else ""
    return (
        Fact(
            "Load generator",
            f"{found.executor}{because}{workers}, could make {found.ceiling_per_s:,.0f} requests a second here{asked}; "
            f"reads {numbers.milliseconds(found.floor_p50_ms)} (p99 {numbers.milliseconds(found.floor_p99_ms)}) "
            "where an app takes no time",
        ),
    )


def environment(report: Report) -> tuple[Fact, ...]:
    """Where the numbers come from; two runs compare only where these agree."""
    info, machine = report.info, report.info.machine
    memory = numbers.size(machine.memory_bytes)
    return (
        Fact("Started", info.started.replace("T", " ").replace("+00:00", " UTC")),
        Fact("Stack", info.stack),
        *(Fact(name, version) for name, version in info.versions.items()),
        Fact(
            "Machine",
            f"{machine.cores} cores{f' ({machine.cpu})' if machine.cpu else ''}, {memory} of memory",
        ),
        Fact("System", f"{machine.kernel}, Python {machine.python}"),
        *_generator(info.generator),
        Fact("Run", info.run),
        Fact("Scenario", f"{report.plan.scenario}, SHA-256 {report.plan.scenario_sha256[:12]}…"),
    )
