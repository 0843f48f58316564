"""What a run means, in words and in three numbers; shared, so that no rendering says it differently."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median

from lab.model.report import Report
from lab.model.run import MeasureResult, Verdict, placebo_fix
from lab.report import numbers
from lab.verdict.calm import is_calm

STATES = {
    "resolved": "RESOLVED",
    "improved": "IMPROVED",
    "not-resolved": "NOT RESOLVED",
    "regressed": "REGRESSED",
    "inconclusive": "INCONCLUSIVE",
    "not-reproduced": "NOT REPRODUCED",
    "void": "VOID",
}

_SAID = {
    "resolved": "{fix} resolves it",
    "improved": "{fix} improves it, and something remains",
    "not-resolved": "{fix} does not resolve it",
    "regressed": "{fix} makes it worse",
    "inconclusive": "Whether {fix} resolves it is not decided",
    "not-reproduced": "The problem did not show, so {fix} had nothing to resolve",
    "void": "No verdict on {fix} is possible",
}


@dataclass(frozen=True)
class Number:
    """One line of the answer: what it was with the problem, what it is with the fix, what is allowed.

    ``values`` are the same three as numbers, None where unknown.
    """

    name: str
    before: str
    after: str
    allowed: str  # "limit 5 %", "healthy 6 ms", or nothing
    values: tuple[float | None, float | None, float | None] = (None, None, None)


def fixes(report: Report) -> tuple[Verdict, ...]:
    """Verdicts on fixes, documented ones first; the placebo is not one of them."""
    found = [v for v in report.judgement.verdicts if v.fix != placebo_fix()]
    return tuple(sorted(found, key=lambda v: not v.documented))


def placebos(report: Report) -> tuple[Verdict, ...]:
    return tuple(v for v in report.judgement.verdicts if v.fix == placebo_fix())


def state_in_words(verdict: Verdict) -> str:
    """The state in capitals, with whether that is what the scenario expects."""
    word = STATES[verdict.state]
    if verdict.fix == placebo_fix():
        return f"{word}, as it must" if verdict.state == "not-resolved" else word
    if verdict.state in ("inconclusive", "void", "not-reproduced"):
        return word
    if not verdict.expected:
        return f"{word}, expected {' or '.join(STATES[s] for s in verdict.expect)}"
    return word if verdict.state == "resolved" else f"{word}, as expected"


def state_and_aside(verdict: Verdict) -> tuple[str, str]:
    """The same in two parts, so that only the state itself is set in capitals and bold."""
    word, _, aside = state_in_words(verdict).partition(", ")
    return word, aside


def headline(report: Report) -> str:
    """The verdict of the run in one short sentence."""
    known = fixes(report)
    if report.judgement.void:
        return "No verdict is possible"
    if is_calm(report.plan):
        calm = list(dict.fromkeys(arm.fix or arm.name for arm in report.plan.arms if arm.role == "calm"))
        return f"What {_listed(calm)} {'costs' if len(calm) == 1 else 'cost'} on a calm day"
    if not known:
        return "No fix was tried in this run"
    if len(known) == 1:
        return _SAID[known[0].state].format(fix=known[0].fix)
    resolved = [v.fix for v in known if v.state == "resolved"]
    if len(resolved) == len(known):
        return f"{'Both' if len(known) == 2 else f'All {len(known)}'} fixes resolve it: {_listed(resolved)}"
    if not resolved:
        return f"None of the {len(known)} fixes resolves it"
    verb = "resolves" if len(resolved) == 1 else "resolve"
    return f"{len(resolved)} of {len(known)} fixes {verb} it: {_listed(resolved)}"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def lead(report: Report) -> Verdict | None:
    """The fix whose numbers stand for the run: the first resolved one, documented before extra."""
    known = fixes(report)
    return next((v for v in known if v.state == "resolved"), known[0] if known else None)


def ordered(verdict: Verdict) -> tuple[MeasureResult, ...]:
    """Measures as people read them: the cause first, then what is felt, then the guardrails."""
    return tuple(sorted(verdict.measures, key=lambda m: (m.role != "primary", not m.cause)))


def three_numbers(report: Report, verdict: Verdict) -> tuple[Number, ...]:
    """The causal measure, the felt one and p99: what a person has to know, at most three."""
    found = [_number(m) for m in ordered(verdict) if m.role == "primary"][:2]
    problem = report.plan.in_group(verdict.group, "problem")
    healthy = report.plan.in_group(verdict.group, "healthy")
    before = p99(report, problem.name) if problem else None
    after = p99(report, verdict.arm)
    well = p99(report, healthy.name) if healthy else None
    if before is not None or after is not None:
        number = _of_three("p99 latency", "ms", (before, after, well), "healthy")
        refused = before is None and problem is not None and problem.name in report.curves
        found.append(
            replace(number, allowed=f"{number.allowed}; the problem gave errors") if refused else number
        )
    return tuple(found[:3])


def _number(m: MeasureResult) -> Number:
    if m.limit is not None:
        return _of_three(m.name, m.unit, (m.problem, m.fixed, m.limit), "limit")
    return _of_three(m.name, m.unit, (m.problem, m.fixed, m.healthy), "healthy")


def _of_three(
    name: str, unit: str, values: tuple[float | None, float | None, float | None], word: str
) -> Number:
    """``values`` are those of problem and fix, and what is allowed, which ``word`` names."""
    written = numbers.bound if word == "limit" else numbers.number
    allowed = "" if values[2] is None else f"{word} {written(values[2], unit)}"
    return Number(name, numbers.number(values[0], unit), numbers.number(values[1], unit), allowed, values)


def p99(report: Report, arm: str) -> float | None:
    """Pooled over all requests of the arm; the median of the blocks' own where no samples were kept.

    None where most requests were refused: a fast error is not a fast answer.
    """
    if arm in report.curves:
        curve = report.curves[arm]
        return None if curve.refused > curve.requests / 2 else curve.p99_ms
    of_blocks = [
        value
        for block in report.blocks
        if block.arm == arm and not block.disturbed and (value := block.shown.get("p99_ms")) is not None
    ]
    return median(of_blocks) if of_blocks else None


def sentence(report: Report, verdict: Verdict) -> str:
    """The three numbers as one sentence."""
    told = [
        f"{n.name} {n.before} → {n.after}" + (f" ({n.allowed})" if n.allowed else "")
        for n in three_numbers(report, verdict)
    ]
    return "; ".join(told)


def effect(verdict: Verdict) -> str:
    """What the fix does to the first measure that has a number, with its interval: ``× 0.14 (0.11 to 0.18)``."""
    for m in ordered(verdict):
        if m.ratio is not None:
            change = numbers.effect(m.ratio, m.scale, m.unit)
            bounds = numbers.interval(m.lower, m.upper, m.scale, m.unit)
            return f"{m.name} {change} ({bounds})" if bounds else f"{m.name} {change}"
    return ""


def comparisons(verdict: Verdict) -> str:
    """Side-by-side comparisons, and how often a placebo does as well. Empty where none were made."""
    if verdict.agree is None or not verdict.pairs:
        return ""
    said = f"{verdict.agree} of {verdict.pairs} side-by-side comparisons favour {verdict.fix}"
    return f"{said}; a placebo does that {verdict.chance}" if verdict.chance else said


def servers(report: Report) -> tuple[str, ...]:
    """``postgres 18.6``, ``valkey 9.1``: a version that names its server already stands for itself."""
    found = ((name, report.info.versions.get(name, "")) for name in ("postgres", "valkey", "redis"))
    return tuple(
        version if version[:1].isalpha() else f"{name} {version}" for name, version in found if version
    )


def reproduced(report: Report) -> str:
    return "reproduced" if report.judgement.problem_reproduced else "not reproduced"
