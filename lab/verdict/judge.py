"""From a plan and its blocks to the judgement of a run. Pure: same blocks, same bytes.

Every arm is followed through its looks on the blocks it has. What was decided at a look stays, however
many blocks follow; only a failed control or a disturbed machine can void it afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lab.model.run import Block, Design, FixPlan, Judgement, Plan, Verdict, placebo_fix
from lab.model.scenario import State
from lab.verdict.arm import Course, follow
from lab.verdict.control import PLACEBOS, control_failed, held
from lab.verdict.counting import Record
from lab.verdict.exact import bad_share_below
from lab.verdict.explain import Around, explained
from lab.verdict.missing import missing
from lab.verdict.numbers import agreement, results
from lab.verdict.power import could_see
from lab.verdict.tail import Tail
from lab.verdict.validity import Void, above_ceiling, environment_failed, generator_lost, too_disturbed
from lab.verdict.words import reason

_CONFIRMING = {"resolved", "intermittent", "tail-incomplete", "absent-values"}


def judge(
    plan: Plan, blocks: Sequence[Block], share_of_ceiling: float | None = None, failed: str = ""
) -> Judgement:
    """Judge every fix of a run, and its placebos, on the blocks so far.

    Fixes come first, in the order of the plan, then one placebo for each group under the name
    ``placebo``. While ``open`` or ``tail`` name an arm, its verdict is not final: its state is
    ``inconclusive`` with the code ``undecided`` or ``tail-incomplete``.

    When the planned order is used up and an arm is still open (a stratum was lost in its very last slot),
    that is how it ends. ``share_of_ceiling`` is what the plan asks of the load generator, of what it can do
    on the machine (``Generator``), where that is known; ``failed`` says what ended the run early so that
    nothing can follow from it.
    """
    record = Record(plan, blocks)
    fixes = [follow(record, arm) for arm in plan.arms if arm.role == "fix"]
    placebos = held([follow(record, arm) for arm in plan.arms if arm.role == "placebo"], fixes)
    fix_plans = {fix.name: fix for fix in plan.fixes}
    verdicts = [
        *(_verdict(c, record, fix_plans.get(c.arm.fix or "")) for c in fixes),
        *(_verdict(c, record, None) for c in placebos),
    ]
    slots = record.first_attempts()
    void = (
        generator_lost(blocks)
        or above_ceiling(share_of_ceiling)
        or environment_failed(failed)
        or too_disturbed(slots, plan.design)
    )
    if void is not None:
        verdicts = [_voided(verdict, void) for verdict in verdicts]
    elif (void := control_failed([*fixes, *placebos])) is not None:
        verdicts = [v if v.fix in PLACEBOS else _voided(v, void) for v in verdicts]
    courses = () if void is not None else (*fixes, *placebos)
    gate_on = not any(c.gate_off for c in (*fixes, *placebos))
    around = Around.of(plan.design, slots, gate_on=gate_on)
    return Judgement(
        scenario=plan.scenario,
        seed=plan.seed,
        verdicts=explained(verdicts, around),
        warnings=(*_closed_load(plan), *_warnings(fixes, placebos)),
        void=void.reason if void is not None else _all_void(verdicts),
        open=tuple(c.arm.name for c in courses if c.outcome is None),
        tail=tuple(c.arm.name for c in courses if c.outcome is not None and c.outcome.needs_tail),
        gate_on=gate_on,
        problem_reproduced=_reproduced([*fixes, *placebos]),
    )


def _verdict(course: Course, record: Record, fix: FixPlan | None) -> Verdict:
    """The verdict of one arm; ``fix`` is None for a placebo, which may end in any state but resolved."""
    design, outcome = record.plan.design, course.outcome
    state: State = outcome.state if outcome else "inconclusive"
    agreed, lacking, tail = agreement(course, design), missing(course, design), _tail(course)
    return Verdict(
        fix=fix.name if fix else placebo_fix(),
        arm=course.arm.name,
        group=course.arm.group,
        documented=fix.documented if fix else False,
        state=state,
        expected=state in fix.expect if fix else state != "resolved",
        expect=fix.expect if fix else ("not-resolved",),
        reason=reason(course, design),
        reason_code=outcome.code if outcome else "undecided",
        measures=results(course, record),
        looks=course.looks,
        blocks=_blocks(course, design, tail),
        agree=agreed.agree if agreed else None,
        pairs=agreed.pairs if agreed else None,
        agree_on=agreed.on if agreed else None,
        chance=agreed.chance if agreed else None,
        tail_clean=tail.clean if tail else None,
        tail_of=tail.of if tail else None,
        bad_share_below=bad_share_below(tail.clean) if tail and state == "resolved" else None,
        more_blocks=lacking.more_blocks if lacking else None,
        could_see=could_see(course, agreed.on if agreed else None, design),
    )


def _tail(course: Course) -> Tail | None:
    """The confirm tail, where the state of the arm rests on it."""
    return course.tail if course.outcome and course.outcome.code in _CONFIRMING else None


def _blocks(course: Course, design: Design, tail: Tail | None) -> int:
    """Blocks of the arm that count: the slots of its newest look, and the confirm tail where it has one."""
    slots = len(course.look.strata) * design.per_stratum if course.look else 0
    return max(slots, tail.counted) if tail else slots


def _voided(verdict: Verdict, void: Void) -> Verdict:
    allowed = verdict.fix == placebo_fix() or "void" in verdict.expect
    return replace(
        verdict,
        state="void",
        expected=allowed,
        reason=void.reason,
        reason_code=void.code,
        could_see=None,
    )


def _all_void(verdicts: Sequence[Verdict]) -> str | None:
    """The reason, where every verdict of the run is void by itself."""
    if not verdicts or any(verdict.state != "void" for verdict in verdicts):
        return None
    return verdicts[0].reason


def _closed_load(plan: Plan) -> tuple[str, ...]:
    if not plan.block.users:
        return ()
    return (
        f"closed load: {plan.block.users} users each waited for their answer before they asked again, so a"
        " stalled app was asked less and its stalls are hardly seen",
    )


def _warnings(fixes: Sequence[Course], placebos: Sequence[Course]) -> list[str]:
    found = [
        f"the placebo was called {course.outcome.state.upper()}: equal arms do that in less than 1 % of runs"
        for course in placebos
        if course.outcome and course.outcome.state in ("improved", "regressed")
    ]
    uneven = [course.arm.name for course in (*fixes, *placebos) if course.gate_off]
    if uneven:
        found.append(
            f"disturbed blocks fell unevenly on the arms compared for {', '.join(uneven)}, so nothing was"
            " gated there: every slot counts with its first attempt"
        )
    return found


def _reproduced(courses: Sequence[Course]) -> bool:
    """In every group that was looked at, the problem showed on all primary measures of some arm's looks."""
    looked = {course.arm.group for course in courses if course.looks}
    shown = {course.arm.group for course in courses if course.reproduced}
    return bool(looked) and looked == shown
