"""Reports of the plausible run, and variants of them: many fixes, no verdict, no limits, hostile texts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lab.model.report import Report
from lab.model.run import Judgement
from lab.model.scenario import State
from lab.model.stack import Evidence
from lab.report import build
from tests.fake_run import DIFF, scenario, write_run

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\x00\x1b[31m`|]]>"


def make_report(out: Path) -> Report:
    """The plain run, written below ``out`` and read back."""
    return build(write_run(out), scenario(), {"single-flight": DIFF})


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


def with_outage(report: Report) -> Report:
    """The same run, judged by how long the app was down, and by the size of its answers."""
    (verdict, placebo), spec = report.judgement.verdicts, report.plan.measures[0]
    down, size = replace(spec, name="downtime", unit="ms", limit=30_000.0), replace(spec, name="answer size")
    size = replace(size, unit="bytes", scale="ratio", limit=100_000.0)
    of_down = replace(verdict.measures[0], name="downtime", unit="ms", limit=30_000.0, problem=42_400.0)
    of_down = replace(of_down, fixed=38.0, ratio=-42_362.0, lower=-42_500.0, upper=-412.0)
    of_size = replace(of_down, name="answer size", unit="bytes", scale="ratio", limit=100_000.0)
    of_size = replace(of_size, problem=2_500_000.0, fixed=38_440.0, ratio=0.0154, lower=0.0151, upper=0.0159)
    judged = tuple(replace(one, measures=(of_down, of_size)) for one in (verdict, placebo))
    bad = ("problem", "placebo")
    values = [(42_400.0, 2.5e6) if b.role in bad else (38.0, 38_440.0) for b in report.blocks]
    blocks = [
        replace(b, values={"downtime": downtime, "answer size": octets})
        for b, (downtime, octets) in zip(report.blocks, values, strict=True)
    ]
    return replace(
        report,
        plan=replace(report.plan, measures=(down, size)),
        judgement=replace(report.judgement, verdicts=judged),
        blocks=tuple(blocks),
    )


def with_state(report: Report, state: str, *, expected: bool) -> Report:
    first, *rest = report.judgement.verdicts
    changed = replace(first, state=state, expected=expected)  # type: ignore[arg-type]
    return replace(report, judgement=replace(report.judgement, verdicts=(changed, *rest)))


def hostile(report: Report) -> Report:
    """The same run, with markup and control characters wherever a text can come from outside."""
    first, *rest = report.judgement.verdicts
    return replace(
        report,
        scenario=replace(report.scenario, prose=replace(report.scenario.prose, title=HOSTILE, cause=HOSTILE)),
        judgement=replace(report.judgement, verdicts=(replace(first, reason=HOSTILE), *rest)),
        evidence={"problem.explain": Evidence(title=HOSTILE, command=HOSTILE, text=HOSTILE)},
        code={"single-flight": HOSTILE},
        warnings=(HOSTILE,),
        info=replace(report.info, versions={"postgres": HOSTILE}, again=HOSTILE),
    )
