"""The run as data: plan, blocks and verdicts, exactly as they lie on disk. Pure; no clock, no process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.scenario import Stage, State

_ON_DISK = ConfigDict(extra="forbid")

_ROUNDING = 1e-9

Role = Literal["healthy", "problem", "placebo", "fix", "calm"]
Phase = Literal["slot", "tail", "closing"]

Disturbance = Literal[
    "stall",
    "steal",
    "others",
    "cpu",
    "late",
    "unsent",
    "connections",
    "own-delay",
    "dropped",
    "sums",
    "workers",
]
"""The validity rule that a block broke: by the machine (stall, steal, others) or by the load generator."""


@dataclass(frozen=True, config=_ON_DISK, kw_only=True)
class MeasureSpec:
    """How the judge reads one measure.

    ``scale`` is ``ratio`` (positive values, compared as quotients) or ``difference`` (shares and counts
    that can be zero, compared as differences with ``tolerance``). ``limit`` replaces the comparison with
    healthy where it is given. ``role``: every primary must pass; a guardrail can only veto.
    """

    name: str
    measure: str
    unit: str
    scale: Literal["ratio", "difference"]
    role: Literal["primary", "guardrail"] = "primary"
    cause: bool = False
    limit: float | None = None
    tau: float = 1.25
    tolerance: float = 0.01


@dataclass(frozen=True, config=_ON_DISK, kw_only=True)
class Design:
    """The constants of the experiment; the defaults are those that the error rates are proven for."""

    per_stratum: int = 3
    looks: tuple[int, ...] = (2, 4, 8)  # strata after which the judge looks
    allowed: tuple[int, ...] = (0, 6, 17)  # comparisons that may disagree at each look
    over_limit: tuple[int, ...] = (6, 8, 13)  # blocks over a limit that prove it is exceeded
    reproduced_over: float = 1.2
    better_by: float = 1.1  # the smallest gain that counts: equal arms differ by a few per cent
    worse_over: float = 1.1
    no_gain: float = 1.5
    tail: int = 17
    tail_factor: float = 1.2
    alpha: tuple[float, ...] = (0.0025, 0.00494, 0.0018)
    disturbed_share: float = 1 / 3


@dataclass(frozen=True, config=_ON_DISK, kw_only=True)
class Arm:
    """One isolated stack in one condition. ``code`` maps a problem module of the app to its variant."""

    name: str  # unique in the plan, for example "problem" or "single-flight"; "problem.2" in group 2
    role: Role
    group: int
    fix: str | None = None
    faulty: bool = True
    code: Mapping[str, str] = field(default_factory=dict)
    processes: int = 1

    @property
    def spared(self) -> bool:
        """It is judged as a fix because no fault ever reaches it."""
        return self.role == "fix" and not self.faulty


@dataclass(frozen=True, config=_ON_DISK, kw_only=True)
class FixPlan:
    """What the scenario claims of one fix."""

    name: str
    group: int
    documented: bool
    expect: tuple[State, ...]
    expect_reason: str = ""
    stands_for: tuple[str, ...] = ()  # of a control: the fixes in whose place it is judged


@dataclass(frozen=True, config=_ON_DISK, kw_only=True)
class Group:
    """Arms that run side by side. ``order`` lists, for each stratum, the arm of every slot."""

    n: int
    arms: tuple[str, ...]
    order: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, config=_ON_DISK, kw_only=True)
class BlockPlan:
    """Length and load of one block, in seconds and requests per second.

    ``rate`` is the mean; ``stages`` is empty where it is the same all the time. ``users`` above 0 is the
    closed model, at a rate of 0.0. ``locustfile`` is a path from where the run was planned, and
    ``user_classes`` those of its classes that take part (empty: all).
    """

    length_s: float
    gap_s: float
    tail_gap_s: float
    rate: float
    arrivals: Literal["poisson", "constant"]
    timeout_s: float
    warm_up_s: float
    arrivals_seed: int
    stages: tuple[Stage, ...] = ()
    users: int = 0
    locustfile: str | None = None
    user_classes: tuple[str, ...] = ()

    def stages_for(self, length_s: float, rate: float) -> tuple[Stage, ...]:
        """The planned stages, again and again where it lasts longer; for another rate, or less, a single one."""
        if not self.stages or rate != self.rate:
            return (Stage(rate=rate, length=length_s),)
        times = int(length_s / self.length_s + _ROUNDING)
        rest = length_s - times * self.length_s
        return self.stages * times + ((Stage(rate=rate, length=rest),) if rest > _ROUNDING else ())


@dataclass(frozen=True, config=_ON_DISK, kw_only=True)
class Plan:
    """Everything that is decided before the first request. Schema ``lab.plan/1``."""

    scenario: str
    scenario_sha256: str
    seed: int
    stack: str
    has_healthy: bool
    design: Design
    measures: tuple[MeasureSpec, ...]
    arms: tuple[Arm, ...]
    groups: tuple[Group, ...]
    fixes: tuple[FixPlan, ...]
    block: BlockPlan
    h_p50_s: float | None = None
    schema: str = "lab.plan/1"

    def arm(self, name: str) -> Arm:
        return next(arm for arm in self.arms if arm.name == name)

    def in_group(self, group: int, role: Role) -> Arm | None:
        return next((a for a in self.arms if a.group == group and a.role == role), None)


@dataclass(frozen=True, config=_ON_DISK, kw_only=True)
class Block:
    """One arm under load for one short window: a line of ``blocks.jsonl``.

    ``slot`` counts the planned slots of the group; a disturbed slot is run again with the same ``slot``
    and the next ``attempt``. ``values`` holds the measures by name, None where absent. ``shown`` holds
    numbers for people (p50_ms, p95_ms, p99_ms, max_ms, errors, requests, ...); the judge never reads it.

    ``rules`` are the validity rules behind ``reasons``, in the same order. ``void`` says what broke the load
    generator in this block: then no verdict of the run counts. ``closing`` stands for all load outside of
    slots and tails (warm-up, evidence, the last stretch), which is kept only where it made the run void.
    """

    n: int
    group: int
    stratum: int
    slot: int
    arm: str
    role: Role
    phase: Phase
    start_ns: int
    length_s: float
    attempt: int = 1
    disturbed: bool = False
    reasons: tuple[str, ...] = ()
    rules: tuple[Disturbance, ...] = ()
    void: str = ""
    values: Mapping[str, float | None] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)  # asked, sent, done, failed, events
    shown: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, config=_ON_DISK, kw_only=True)
class MeasureResult:
    """Effect of one fix on one measure; medians over blocks, bounds from ordered block differences.

    ``ratio``, ``lower`` and ``upper`` compare fixed with problem (quotients, or differences where the
    scale is ``difference``). ``to_healthy*`` compare fixed with healthy. ``facts`` lists what is proven.
    """

    name: str
    unit: str
    problem: float | None
    fixed: float | None
    healthy: float | None
    ratio: float | None
    lower: float | None
    upper: float | None
    limit: float | None
    scale: str = "ratio"
    role: str = "primary"
    cause: bool = False
    to_healthy: float | None = None
    to_healthy_lower: float | None = None
    to_healthy_upper: float | None = None
    facts: tuple[str, ...] = ()


@dataclass(frozen=True, config=_ON_DISK, kw_only=True)
class Verdict:
    """The state of one fix (or of the placebo, under the name ``placebo``), with its reason in one sentence.

    ``looks`` counts the looks taken, ``agree`` and ``pairs`` the side-by-side comparisons of fixed and
    problem blocks on the measure that ``agree_on`` names, ``chance`` how often a placebo does the same.
    ``could_see`` is the smallest gain on that measure that the blocks of the last look would have proven: a
    share of the problem's value on the ratio scale, else a difference in its unit. ``explanation`` holds five
    sentences: what was compared, how sure, what a placebo does, what is missing, and whether it is valid.
    """

    fix: str
    arm: str
    group: int
    documented: bool
    state: State
    expected: bool
    reason: str
    reason_code: str
    measures: tuple[MeasureResult, ...]
    expect: tuple[State, ...] = ("resolved",)
    looks: int = 0
    blocks: int = 0
    agree: int | None = None
    pairs: int | None = None
    agree_on: str | None = None
    chance: str | None = None
    tail_clean: int | None = None
    tail_of: int | None = None
    bad_share_below: float | None = None
    more_blocks: int | None = None  # about how many an arm, in all, would decide where something is missing
    could_see: float | None = None
    explanation: tuple[str, ...] = ()  # empty in records from before there was one


@dataclass(frozen=True, config=_ON_DISK, kw_only=True)
class Judgement:
    """Everything that the judge says of a run. Schema ``lab.verdict/1``.

    ``open`` names the arms that still need slots, ``tail`` those that need a confirm tail next.
    """

    scenario: str
    seed: int
    verdicts: tuple[Verdict, ...]
    warnings: tuple[str, ...] = ()
    void: str | None = None
    open: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()
    gate_on: bool = True
    problem_reproduced: bool = False
    schema: str = "lab.verdict/1"


def placebo_fix() -> str:
    """The name under which the placebo stands in the list of verdicts."""
    return "placebo"


Control = Literal["placebo", "perfect"]


def control_fix(control: Control) -> str:
    """The name under which a control stands in the place of the fix: nothing fixed, or nothing broken."""
    return f"control-{control}"


JSON = Mapping[str, Any]
