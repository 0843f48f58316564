"""What is proven of one measure at a look. Each fact is wrong in less than 1 % of runs.

Without a limit, F (problem), X (fixed) and H (healthy) are compared pair by pair:

REP     F is above H by more than ``reproduced_over``     NOREP  F is not
BETTER  X is below F by more than ``better_by``           WORSE  X is above F by more than ``worse_over``
WITHIN  X is within tolerance of H                        ABOVE  X is not
NOGAIN  X has not even gained ``no_gain`` on F

On the ratio scale these are factors. On the difference scale, where zero is possible, the same factors
apply and ``tolerance`` is added: F > 1.2 H + tolerance, X > 1.1 F + tolerance, X <= H + tolerance.
BETTER is X < F / 1.1 on both scales. It asks for a gain because two processes of the same code differ by
a few per cent for as long as they live, and no order of blocks takes that out.

Where the number compared with is below zero (a slope of memory that falls), a factor above 1 counts as 1,
so that no claim gets easier there: F > H + tolerance, X > F + tolerance, and X < F for BETTER. NOGAIN
stays X > F / 1.5, which then lies above F.

With a limit a block is good or over. REP (of F) and ABOVE (of X) need so many blocks over it that a
share of 24 % bad blocks is refuted. WITHIN holds while no block of X was over so far; the confirm tail
then has to stay clean. NOREP holds from look 2 on when no block of F was over: what makes a clean tail
good enough for a fix makes the same clean row of the problem arm good enough to say that the fault has
no effect. BETTER, WORSE and NOGAIN compare X with F by pairs, as ever.

Smaller is better in every measure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from lab.model.run import Design, MeasureSpec
from lab.verdict.bounds import Pair, Values, is_above, is_below, is_within, pairs_of, present, values_of
from lab.verdict.counting import Look

FACTS = ("REP", "NOREP", "BETTER", "WORSE", "WITHIN", "ABOVE", "NOGAIN", "HARM")
Facts = frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Level:
    """How much disagreement a claim may have at one look: pairs against it, and blocks over a limit."""

    look: int
    last: bool
    allowed: int
    over: int
    guard: int | None  # None: a guardrail can claim nothing yet


@dataclass(frozen=True)
class Sides:
    """The values of one measure in the arms compared, by stratum. ``healthy`` is None without that arm."""

    spec: MeasureSpec
    fixed: Values
    problem: Values
    healthy: Values | None

    @cached_property
    def x_f(self) -> tuple[Pair, ...]:
        return pairs_of(self.fixed, self.problem)

    @cached_property
    def x_h(self) -> tuple[Pair, ...]:
        return pairs_of(self.fixed, self.healthy) if self.healthy is not None else ()

    @cached_property
    def f_h(self) -> tuple[Pair, ...]:
        return pairs_of(self.problem, self.healthy) if self.healthy is not None else ()

    def favouring(self, better_by: float) -> int:
        """Side-by-side comparisons in which X is below F by more than the factor; an absent one is none."""
        return sum(pair is not None and is_gain(pair[0], pair[1], better_by) for pair in self.x_f)

    @property
    def slack(self) -> float:
        """What is added to a factor where zero is possible."""
        return self.spec.tolerance if self.spec.scale == "difference" else 0.0

    def over(self, values: Values | None) -> int:
        """Blocks over the limit; 0 where there is no limit or no such arm."""
        limit = self.spec.limit
        return 0 if limit is None or values is None else sum(v > limit for v in present(values))


def is_gain(fixed: float, problem: float, better_by: float) -> bool:
    """Below the problem by more than ``better_by``, and below it at all where the problem is negative."""
    return fixed < min(problem, problem / better_by)


def sides_of(look: Look, spec: MeasureSpec) -> Sides:
    healthy = values_of(look.healthy, spec) if look.healthy is not None else None
    return Sides(spec, values_of(look.fixed, spec), values_of(look.problem, spec), healthy)


def prove(sides: Sides, level: Level, design: Design) -> Facts:
    """Facts of a primary measure at one look."""
    against_problem = _against_problem(sides, level, design)
    if sides.spec.limit is not None:
        return against_problem | _against_limit(sides, level)
    return against_problem | _against_healthy(sides, level, design)


def _named(claims: Iterable[tuple[str, bool]]) -> Facts:
    return frozenset(name for name, holds in claims if holds)


def _against_problem(sides: Sides, level: Level, design: Design) -> Facts:
    pairs, c, slack = sides.x_f, level.allowed, sides.slack
    return _named(
        (
            ("BETTER", len(pairs) - sides.favouring(design.better_by) <= c),
            ("WORSE", is_above(pairs, c, design.worse_over, slack)),
            ("NOGAIN", is_above(pairs, c, 1 / design.no_gain)),
        )
    )


def _against_healthy(sides: Sides, level: Level, design: Design) -> Facts:
    if sides.healthy is None:
        return frozenset()
    c, slack, rho = level.allowed, sides.slack, design.reproduced_over
    tau = sides.spec.tau if sides.spec.scale == "ratio" else 1.0
    return _named(
        (
            ("REP", is_above(sides.f_h, c, rho, slack)),
            ("NOREP", is_below(sides.f_h, c, rho, slack)),
            ("WITHIN", is_within(sides.x_h, c, tau, slack)),
            ("ABOVE", is_above(sides.x_h, c, tau, slack)),
        )
    )


def _against_limit(sides: Sides, level: Level) -> Facts:
    problem, fixed = sides.over(sides.problem), sides.over(sides.fixed)
    blocks = sum(len(row) for row in sides.problem)
    all_good = problem == 0 and len(present(sides.problem)) == blocks
    return _named(
        (
            ("REP", problem >= level.over),
            ("NOREP", all_good and level.look >= 1),
            ("WITHIN", fixed == 0 and bool(present(sides.fixed))),
            ("ABOVE", fixed >= level.over),
        )
    )


def harm(sides: Sides, level: Level, design: Design) -> Facts:
    """HARM, where a fix made a guardrail worse: it can only veto.

    With a limit: X is over it in so many blocks as prove it, and neither F nor H is. Without: X exceeds
    F by more than ``worse_over``, at the guardrail's share of the error rate.
    """
    if sides.spec.limit is not None:
        others = max(sides.over(sides.problem), sides.over(sides.healthy))
        return _named((("HARM", sides.over(sides.fixed) >= level.over > others),))
    if level.guard is None:
        return frozenset()
    return _named((("HARM", is_above(sides.x_f, level.guard, design.worse_over, sides.slack)),))


def carried(before: Facts, now: Facts, spec: MeasureSpec) -> Facts:
    """Facts stay true once proven, but "no block over the limit so far" is a fact of every block so far."""
    return now | (before - {"WITHIN"} if spec.limit is not None else before)
