"""What the judge's rates and its speed should be, and whether many simulated runs met that."""

from __future__ import annotations

from collections.abc import Sequence

from lab.model.run import Design
from parts.findings import Goal
from parts.noise import NOISY, PROFILES, Profile
from parts.rates import (
    EDGE,
    FAILS_10,
    FAILS_30,
    FULL,
    FULL_LARGE,
    NO_FAULT,
    PLACEBOS,
    Rates,
    middle,
    rate_below,
    refuted,
)

ENOUGH = 3_000  # placebo runs that "none was resolved" needs to mean something
OWN = (0.02, 0.05)  # as measured between processes of the same code, and more than that
LOAD_S, WALL_S, WORST_S = 18.0, 32.0, 87.0


def kept_apart(equal: Sequence[tuple[float, Rates]]) -> Goal:
    alpha, as_measured = (
        sum(Design().alpha),
        [one for by, one in equal if by == Design().better_by and one.profile.process == OWN[0]],
    )
    hits, runs = sum(one.better for one in as_measured), sum(one.runs for one in as_measured)
    return Goal(
        goal=f"equal arms whose processes differ by {OWN[0]:.0%} (sd), yet BETTER at some look",
        bar=f"not shown to exceed {alpha:.2%}",
        found=f"{hits} of {runs:,} ({hits / runs:.2%})",
        met=not refuted(hits, runs, alpha),
    )


def strictly(found: Sequence[Rates]) -> list[Goal]:
    """``found`` was judged with the strict confirm tail."""
    return [_seldom("fix that fails in 10 % of blocks RESOLVED, strict", _of(found, FAILS_10), 0.01)]


def _of(found: Sequence[Rates], *truths: object, profile: Profile | None = None) -> list[Rates]:
    return [one for one in found if one.truth in truths and profile in (None, one.profile)]


def wrong(found: Sequence[Rates]) -> list[Goal]:
    placebos = _of(found, *PLACEBOS)
    alpha = sum(Design().alpha)
    beside = sum(one.placebos["resolved"] for one in found)
    nothing = _of(found, NO_FAULT, *PLACEBOS)
    better, runs = sum(one.better for one in nothing), sum(one.runs for one in nothing)
    return [
        _none_resolved("placebo as the fix called RESOLVED", placebos),
        Goal(
            goal="placebo arm beside a fix called RESOLVED",
            bar="none",
            found=f"{beside} of {sum(one.runs for one in found):,}",
            met=beside == 0,
        ),
        Goal(
            goal="nothing fixed, yet BETTER at some look",
            bar=f"not shown to exceed {alpha:.2%}",
            found=f"{better} of {runs:,} ({better / runs:.2%})",
            met=not refuted(better, runs, alpha),
        ),
        _seldom("fix at the edge of the tolerance RESOLVED", _of(found, EDGE), alpha),
        _seldom("fix that fails in 30 % of blocks RESOLVED", _of(found, FAILS_30), 0.01),
    ]


def _none_resolved(goal: str, placebos: Sequence[Rates]) -> Goal:
    hits, runs = sum(one.states["resolved"] for one in placebos), sum(one.runs for one in placebos)
    return Goal(
        goal=goal,
        bar=f"0 of at least {ENOUGH:,}",
        found=f"{hits} of {runs:,} (95 % sure: below {rate_below(hits, runs):.2%})",
        met=False if hits else (True if runs >= ENOUGH else None),
    )


def _seldom(goal: str, some: Sequence[Rates], rate: float) -> Goal:
    hits, runs = sum(one.states["resolved"] for one in some), sum(one.runs for one in some)
    return Goal(
        goal=goal,
        bar=f"not shown to exceed {rate:.2%}",
        found=f"{hits} of {runs:,} ({hits / runs:.2%})",
        met=not refuted(hits, runs, rate),
    )


def power(found: Sequence[Rates]) -> list[Goal]:
    full = [
        _at_least(truth.name, _of(found, truth, profile=NOISY), "resolved", 0.9)
        for truth in (FULL, FULL_LARGE)
    ]
    return [
        *full,
        _at_least("placebo, F >= 2 H", _of(found, *PLACEBOS[1:], profile=NOISY), "not-resolved", 0.95),
    ]


def _at_least(who: str, some: Sequence[Rates], state: str, share: float) -> Goal:
    hits, runs = sum(one.states[state] for one in some), sum(one.runs for one in some)
    return Goal(
        goal=f"{who}, noisy: {state.upper().replace('-', ' ')}",
        bar=f"at least {share:.0%}",
        found=f"{hits / runs:.1%} of {runs:,}",
        met=hits / runs >= share,
    )


def soon(found: Sequence[Rates]) -> list[Goal]:
    goals = []
    for profile in PROFILES[:2]:
        large = _of(found, FULL_LARGE, profile=profile)
        load, wall = middle(large, "load_s"), middle(large, "wall_s")
        goals.append(
            Goal(
                goal=f"large effect on a {profile.name} machine, median",
                bar=f"at most {LOAD_S:g} s load, {WALL_S:g} s wall",
                found=f"{load:.1f} s load, {wall:.1f} s wall",
                met=load <= LOAD_S and wall <= WALL_S,
            )
        )
    worst = max(second for one in found if one.profile is not PROFILES[2] for second in one.wall_s)
    goals.append(
        Goal(
            goal="longest run on a quiet or noisy machine, reruns of disturbed slots included",
            bar=f"at most {WORST_S:g} s wall",
            found=f"{worst:.0f} s",
            met=worst <= WORST_S,
        )
    )
    return goals
