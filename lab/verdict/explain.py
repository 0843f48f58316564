"""A verdict in five lines that an engineer can check. Made once, printed alike by every rendering.

1. what was compared with what, in numbers; 2. how sure that is; 3. what a placebo does; 4. what could
have been seen, and what is missing; 5. tail, disturbed blocks, and how to judge again. They do not repeat
the reason of the state, which stands above them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lab.model.run import Block, Design, Judgement, MeasureResult, Verdict, control_fix, placebo_fix
from lab.verdict.exact import allowed_for
from lab.verdict.facts import FACTS
from lab.verdict.figures import blocks, bound, difference, factor, share, times, value

JUDGE_AGAIN = "lab judge RUN"
_MEASURES = 2  # in the first line; every other one stands in the tables

_MADE_BY: Mapping[str, tuple[set[str], str]] = {
    "not-reproduced": (set(), "REP"),
    "improved": ({"ABOVE"}, ""),
    "worse": ({"WORSE"}, ""),
    "guardrail-worse": ({"HARM"}, ""),
    "no-gain": ({"ABOVE", "NOGAIN"}, ""),
    "not-better": ({"ABOVE"}, "BETTER"),
    "control-held": ({"ABOVE"}, ""),
    "missing-better": (set(), "BETTER"),
    "missing-within": (set(), "WITHIN"),
}
"""For each reason: the facts that a measure behind it has, and the one that it lacks."""

_LACKING = {
    "undecided": "missing are the blocks of the next look",
    "tail-incomplete": "missing is the rest of the confirming blocks",
    "absent-values": "missing are values: see why blocks of the fix had none",
    "intermittent": "nothing is missing: it works in some blocks and not in others, and more would show the same",
    "not-reproduced": "missing is the symptom, without which no fix can be judged: see that the fault struck",
}


@dataclass(frozen=True, kw_only=True)
class Around:
    """What the verdicts of a run have in common: the design, and how undisturbed its planned slots were."""

    design: Design
    slots: int = 0
    disturbed: int = 0
    gate_on: bool = True

    @classmethod
    def of(cls, design: Design, first_attempts: Sequence[Block], *, gate_on: bool) -> Around:
        disturbed = sum(block.disturbed for block in first_attempts)
        return cls(design=design, slots=len(first_attempts), disturbed=disturbed, gate_on=gate_on)


def explained(verdicts: Sequence[Verdict], around: Around) -> tuple[Verdict, ...]:
    """The verdicts of a run, each with its five lines."""
    placebos = {v.group: v for v in verdicts if v.fix == placebo_fix()}
    return tuple(replace(v, explanation=explain(v, placebos.get(v.group), around)) for v in verdicts)


def explain(verdict: Verdict, placebo: Verdict | None, around: Around) -> tuple[str, ...]:
    """Five lines; ``placebo`` is the one that was judged beside it, where there was one."""
    return (
        f"Compared: {_compared(verdict)}",
        f"How sure: {_how_sure(verdict, around.design)}",
        f"Placebo: {_placebo(verdict, placebo, around.design)}",
        f"Power: this run {_power(verdict)}; {_lacking(verdict)}",
        f"Validity: {'; '.join(_validity(verdict, around))}; judge again: {JUDGE_AGAIN}",
    )


def for_run(judgement: Judgement, run: str) -> Judgement:
    """The same with the name of the run in its commands: the judge itself knows only plan and blocks."""
    command = JUDGE_AGAIN.replace("RUN", run)
    verdicts = tuple(
        replace(v, explanation=tuple(line.replace(JUDGE_AGAIN, command) for line in v.explanation))
        for v in judgement.verdicts
    )
    return replace(judgement, verdicts=verdicts)


# 1. What was compared with what -----------------------------------------------------------------------


def _compared(verdict: Verdict) -> str:
    told = sorted((m for m in verdict.measures if m.role == "primary"), key=lambda m: not m.cause)
    if not told:
        return "nothing"
    more = len(told) - _MEASURES
    others = [f"{more} more in the report"] if more > 0 else []
    return "; ".join([*(_contrast(m, verdict.fix) for m in told[:_MEASURES]), *others])


def _contrast(m: MeasureResult, fix: str) -> str:
    of = [(m.problem, "with the problem"), (m.fixed, f"with {_the(fix)}"), (m.healthy, "healthy")]
    known = [f"{value(number, m.unit)} {where}" for number, where in of if number is not None]
    if not known:
        return f"{m.name}, in no block so far"
    limit = "" if m.limit is None else f", limit {bound(m.limit, m.unit)}"
    return f"{m.name} {', '.join(known)}{limit}{_effect(m)}"


def _effect(m: MeasureResult) -> str:
    if m.ratio is None:
        return ""
    ratio = m.scale == "ratio"
    said = times(m.ratio) if ratio else difference(m.ratio, m.unit)
    against = "the problem" if ratio else "against the problem"
    if m.lower is None or m.upper is None:
        return f": {said} {against} (bounds unknown)"
    ends = [times(end) if ratio else difference(end, m.unit) for end in (m.lower, m.upper)]
    return f": {said} {against} ({ends[0]} to {ends[1]})"


def _the(fix: str) -> str:
    return "the placebo" if fix == placebo_fix() else fix


# 2. How sure ------------------------------------------------------------------------------------------


def _how_sure(verdict: Verdict, design: Design) -> str:
    if not verdict.looks or verdict.agree is None or not verdict.pairs:
        return f"no look was taken yet; the first needs {blocks(design.looks[0] * design.per_stratum)} an arm"
    an_arm = verdict.pairs // design.per_stratum
    counted = (
        f"{verdict.agree} of {verdict.pairs} side-by-side comparisons of {verdict.agree_on} favour"
        f" {_the(verdict.fix)} by more than {factor(design.better_by)} ({_needed(verdict, design)} needed)"
    )
    when = f"look {verdict.looks} of {len(design.looks)}, {blocks(an_arm)} an arm"
    return f"{counted}; {when}; {_proven(verdict, design)}"


def _needed(verdict: Verdict, design: Design) -> int:
    """Comparisons that prove a gain at the look taken, or at the first one."""
    look, area = max(verdict.looks, 1) - 1, design.per_stratum**2
    pairs = verdict.pairs or design.looks[look] * area
    allowed = allowed_for(design, design.allowed, look, pairs // area)
    return pairs + 1 if allowed is None else pairs - allowed


def _proven(verdict: Verdict, design: Design) -> str:
    m = _telling(verdict)
    said = {
        "REP": "the problem shows",
        "NOREP": "the problem does not show",
        "BETTER": "better than the problem",
        "WORSE": "worse than the problem",
        "WITHIN": "within what is allowed" if m is None or m.limit is None else "in no block over its limit",
        "ABOVE": "above what is allowed",
        "NOGAIN": f"no gain of {factor(design.no_gain)}",
        "HARM": "worse than a guardrail may be",
    }
    found = [said[fact] for fact in FACTS if m is not None and fact in m.facts]
    if m is None or not found:
        return "nothing is shown yet"
    where = "" if m.name == verdict.agree_on else f" for {m.name}"
    return f"shown{where}: {', '.join(found)}"


def _telling(verdict: Verdict) -> MeasureResult | None:
    """The measure that made the state, else the one that the comparisons are counted on."""
    has, lacks = _MADE_BY.get(verdict.reason_code, ({"none"}, ""))
    role = "guardrail" if "HARM" in has else "primary"
    made_it = [m for m in verdict.measures if m.role == role and has <= {*m.facts} and lacks not in m.facts]
    return next((m for m in (*made_it, *verdict.measures) if made_it or m.name == verdict.agree_on), None)


# 3. What a placebo does -------------------------------------------------------------------------------


def _placebo(verdict: Verdict, placebo: Verdict | None, design: Design) -> str:
    needed, rates = _needed(verdict, design), design.alpha
    look = max(verdict.looks, 1) - 1
    pairs = verdict.pairs or design.looks[look] * design.per_stratum**2
    often, at_all = _runs(rates[look]), _runs(sum(rates))
    luck = f"equal arms reach {needed} of {pairs} at most once in {often} runs, at any look once in {at_all}"
    if verdict.fix in (placebo_fix(), control_fix("placebo")):
        return f"{luck}; this arm is one, so it may never come out RESOLVED"
    if placebo is None:
        return f"{luck}; none was judged beside it"
    counts = f" with {placebo.agree} of {placebo.pairs}" if placebo.agree is not None else ""
    state = placebo.state.upper().replace("-", " ")
    came = (
        f"is not decided yet{counts}" if placebo.reason_code == "undecided" else f"came out {state}{counts}"
    )
    return f"{luck}; the one in this run {came}"


def _runs(rate: float) -> str:
    return f"{round(1 / rate):,}" if rate > 0 else "unknown"


# 4. What could have been seen, and what is missing ----------------------------------------------------


def _power(verdict: Verdict) -> str:
    seen = verdict.could_see
    m = next((m for m in verdict.measures if m.name == verdict.agree_on), None)
    if seen is None or m is None:
        return "cannot say what it could have seen"
    start = "" if m.problem is None else f" from {value(m.problem, m.unit)}"
    if m.scale == "ratio":
        return f"could have seen {m.name} fall by {share(seen)}{start}"
    if m.problem is not None and seen >= m.problem:
        return f"could not have seen {m.name} fall{start}, not even to 0"
    return f"could have seen {m.name} fall by {difference(seen, m.unit).removeprefix('+')}{start}"


def _lacking(verdict: Verdict) -> str:
    if verdict.state == "void":
        return "missing is a valid run"
    if verdict.reason_code.startswith("missing-"):
        return _more(verdict)
    return _LACKING.get(verdict.reason_code, "nothing is missing, more blocks would not change the state")


def _more(verdict: Verdict) -> str:
    gain = verdict.reason_code == "missing-better"
    lacking = f"missing is a proof that it {'gains enough' if gain else 'is back within what is allowed'}"
    if verdict.more_blocks is None:
        return f"{lacking}, and more blocks like these would not give it"
    more = max(1, verdict.more_blocks - verdict.blocks)
    return f"{lacking}: about {more} more {'block' if more == 1 else 'blocks'} an arm would decide"


# 5. Tail, disturbed blocks, validity ------------------------------------------------------------------


def _validity(verdict: Verdict, around: Around) -> list[str]:
    void = [f"void ({verdict.reason_code})"] if verdict.state == "void" else []
    return [*void, _tail(verdict), _slots(around)]


def _tail(verdict: Verdict) -> str:
    if verdict.tail_clean is None or not verdict.tail_of:
        return "no confirming blocks"
    clean = f"{verdict.tail_clean} of {verdict.tail_of} confirming blocks clean"
    bad = verdict.bad_share_below
    return clean if bad is None else f"{clean}, so fewer than {share(bad)} of its blocks are bad"


def _slots(around: Around) -> str:
    most = f"at most {share(around.design.disturbed_share)} may be"
    again = "measured again" if around.gate_on else "unevenly, so they count as they were"
    told = f"{around.disturbed} of {around.slots} slots disturbed"
    return f"{told} ({most}), {again}" if around.disturbed else f"{told} ({most})"
