"""The decision table: from proven facts to a state. First match wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.model.scenario import State
from lab.verdict.facts import Facts
from lab.verdict.tail import Tail


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A state with the code of its reason. ``needs_tail``: the arm leaves the strata for its confirm tail."""

    state: State
    code: str
    needs_tail: bool = False


def decide(primaries: Sequence[Facts], *, harmed: bool, tail: Tail, last: bool) -> Outcome | None:
    """Rules 2 to 9 of the table (rule 1, validity, comes before). None: the next look is needed.

    ``primaries`` holds the facts of every primary measure. Reproduced, better and within tolerance need
    all of them; worse, above tolerance and not reproduced need one.
    """
    if any("NOREP" in facts and "REP" not in facts for facts in primaries):
        return Outcome(state="not-reproduced", code="not-reproduced")
    reproduced = _all(primaries, "REP")
    return (_early(primaries, harmed, tail) if reproduced else None) or (
        _at_the_last_look(primaries, reproduced) if last else None
    )


def _early(primaries: Sequence[Facts], harmed: bool, tail: Tail) -> Outcome | None:
    better = _all(primaries, "BETTER")
    if better and _all(primaries, "WITHIN") and not harmed:
        return _confirmed(tail)
    if better and _any(primaries, "ABOVE") and not harmed:
        return Outcome(state="improved", code="improved")
    if harmed:
        return Outcome(state="regressed", code="guardrail-worse")
    if _any(primaries, "WORSE"):
        return Outcome(state="regressed", code="worse")
    if any({"ABOVE", "NOGAIN"} <= facts for facts in primaries):
        return Outcome(state="not-resolved", code="no-gain")
    return None


def _confirmed(tail: Tail) -> Outcome:
    if tail.dirty:
        return Outcome(state="inconclusive", code="intermittent")
    if tail.complete:
        return Outcome(state="resolved", code="resolved")
    if tail.given_up:
        return Outcome(state="inconclusive", code="absent-values")
    return Outcome(state="inconclusive", code="tail-incomplete", needs_tail=True)


def _at_the_last_look(primaries: Sequence[Facts], reproduced: bool) -> Outcome:
    if not reproduced:
        return Outcome(state="not-reproduced", code="not-reproduced")
    if any("ABOVE" in facts and "BETTER" not in facts for facts in primaries):
        return Outcome(state="not-resolved", code="not-better")
    missing = "within" if _all(primaries, "BETTER") else "better"
    return Outcome(state="inconclusive", code=f"missing-{missing}")


def _all(primaries: Sequence[Facts], fact: str) -> bool:
    return bool(primaries) and all(fact in facts for facts in primaries)


def _any(primaries: Sequence[Facts], fact: str) -> bool:
    return any(fact in facts for facts in primaries)
