"""The scenario as data: what one YAML file says, typed. Nothing here reads a file or starts anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.request import METHODS, PLACEHOLDER, STRICT, Expect, Observe, Request, Values
from lab.model.units import Bytes, PerSecond, Seconds, Share

ON_DISK = ConfigDict(extra="forbid")

Service = Literal["postgres", "redis"]
State = Literal[
    "resolved",
    "improved",
    "not-resolved",
    "regressed",
    "inconclusive",
    "not-reproduced",
    "void",
]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class StackNeeds:
    """Which app and servers every arm of the run consists of.

    ``instances`` above 1 stand behind a balancer; each has so many ``processes``. ``settings`` are the app's own.
    ``module`` is the problem module of the app, where it is not that of the scenario's own name.
    """

    app: str = "sample_app"
    module: str = ""
    services: tuple[Service, ...] = ("postgres", "redis")
    processes: int = 1
    instances: int = 1
    settings: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Whatever runs in an arm, that which is asked first."""
        if self.instances == 1:
            return ("app", *self.services)
        return ("balancer", *(f"app-{n}" for n in range(1, self.instances + 1)), *self.services)


Arrivals = Literal["poisson", "constant"]


@dataclass(frozen=True, config=ON_DISK, kw_only=True)
class Stage:
    """A stretch of load as planned: ``rate`` requests per second, or from ``rate`` to ``to`` in a line, for
    ``length`` seconds."""

    rate: float
    length: float
    to: float | None = None

    @property
    def arrivals(self) -> float:
        """How many requests are due in it, on average."""
        return (self.rate + (self.rate if self.to is None else self.to)) / 2 * self.length


@dataclass(frozen=True, config=STRICT, kw_only=True)
class WrittenStage(Stage):
    """A stage as a person writes it, with units: ``{rate: 50/s, to: 200/s, length: 300ms}``."""

    rate: PerSecond
    length: Seconds
    to: PerSecond | None = None


def mean_rate(stages: Sequence[Stage]) -> float:
    """Requests per second over all stages; 0.0 where they have no length."""
    length = sum(stage.length for stage in stages)
    return sum(stage.arrivals for stage in stages) / length if length > 0 else 0.0


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Load:
    """The load of one block: planned moments, whatever the app does, at one ``rate`` or in ``stages``.

    With stages, ``rate`` is their mean. ``users`` is the closed model instead: so many users, each of whom
    waits for an answer before asking again; then ``rate`` is 0.0, for it is the app that sets it.

    What is asked are the ``requests``, or the journeys of a ``locustfile`` (its path from the folder of the
    scenario's file): of those of its user classes that ``classes`` names, else of all.
    """

    rate: PerSecond = 0.0
    stages: tuple[WrittenStage, ...] = ()
    users: int = 0
    requests: tuple[Request, ...] = ()
    locustfile: str | None = None
    classes: tuple[str, ...] = ()
    block: Seconds
    arrivals: Arrivals = "poisson"
    timeout: Seconds = 2.0
    warm_up: Seconds = 2.0

    def __post_init__(self) -> None:
        if self.stages:
            object.__setattr__(self, "rate", mean_rate(self.stages))


@dataclass(frozen=True, config=STRICT, kw_only=True)
class FaultUse:
    """A fault kind with its parameters, and when it happens in the life of an arm."""

    kind: str
    params: Any  # an instance of the fault's own dataclass
    when: Literal["standing", "each-block"] = "standing"
    at: Seconds = 0.05
    event_window: Seconds | None = None


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Measure:
    """One number for each block. ``limit`` is the documented bound, in the base unit of the quantity.

    ``measure`` is ``source.quantity``: ``latency.*`` and ``errors.*`` come from the requests,
    anything else from the probe of that name. ``per`` is ``request`` or the name of a fault's event.
    ``among`` is how many instances share the requests, where their balance is measured.
    ``tau`` is the tolerated ratio to healthy; ``tolerance`` the tolerated difference where zero is possible.
    """

    name: str
    measure: str
    of: str | None = None
    per: str | None = None
    over: Seconds | None = None
    among: int | None = None
    limit: float | None = None  # parsed from the quantity's own unit: 3%, 100ms, or a bare count
    tau: float = 1.25
    tolerance: float | None = None
    cause: bool = False


@dataclass(frozen=True, config=STRICT, kw_only=True)
class FixUse:
    """A fix kind with its parameters, and what the scenario says of it.

    What it does to a running arm, it does ``once``, before the first block, or in ``each-block``, ``at`` so
    many seconds from its start.
    """

    kind: str
    params: Any  # an instance of the fix's own dataclass
    documented: bool
    when: Literal["once", "each-block"] = "once"
    at: Seconds = 0.05
    why: str
    costs: str = ""
    expect: tuple[State, ...] = ("resolved",)
    expect_reason: str = ""
    processes: int | None = None  # needs arms of its own with that many app processes


@dataclass(frozen=True, config=STRICT, kw_only=True)
class EvidenceUse:
    """A diagnosis probe, read while the fault is on and again with the fix on."""

    kind: str
    params: Any  # an instance of the probe's own dataclass
    title: str = ""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Closing:
    """One last stretch of load for each faulty arm, in which the standing fault heals at ``heal_at``."""

    length: Seconds
    heal_at: Seconds


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Stop:
    """What ends a run at once, with everything healed.

    ``error_share`` is of the requests of any one block, ``time`` counts from the first arm's start. The
    defaults keep the machine alive.
    """

    error_share: Share | None = None
    disk_free: Bytes = 500e6
    memory_free: Bytes = 200e6
    time: Seconds | None = None


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Prose:
    """What a person reads, in the field's terms."""

    title: str
    guide: str
    problem: str
    symptom: str
    diagnosis: str
    cause: str


Wellness = Literal["fault-off", "limit", "code", "load"]
"""How the arm without the problem comes to be: without the faults; not at all (the limits alone decide); with
another variant of the code; or asked other requests."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Healthy:
    """The arm without the problem. ``code`` is its variant, ``requests`` what it is asked, where ``by`` says so."""

    by: Wellness = "fault-off"
    code: str = ""
    requests: tuple[Request, ...] = ()


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Scenario:
    """One documented problem with its fault, load, symptoms and fixes."""

    slug: str
    source: str  # the text of the file, byte for byte
    path: str
    prose: Prose
    stack: StackNeeds
    healthy: Healthy = Healthy()
    load: Load
    faults: tuple[FaultUse, ...]
    symptoms: tuple[Measure, ...]
    guardrails: tuple[Measure, ...]
    fixes: Mapping[str, FixUse]
    evidence: tuple[EvidenceUse, ...] = ()
    closing: Closing | None = None
    strict: bool = False  # a fix has to stay clean for longer before it is called resolved
    stop: Stop = Stop()

    @property
    def evidence_names(self) -> tuple[str, ...]:
        """A name for each piece of evidence: its kind, and a number from the second of a kind on."""
        kinds = [use.kind for use in self.evidence]
        before = [kinds[:n].count(kind) for n, kind in enumerate(kinds)]
        return tuple(f"{kind}-{n + 1}" if n else kind for kind, n in zip(kinds, before, strict=True))

    @property
    def documented(self) -> tuple[str, ...]:
        """Names of the fixes that are measured by default: the documented ones, or all where none is."""
        return tuple(name for name, fix in self.fixes.items() if fix.documented) or tuple(self.fixes)


__all__ = [
    "METHODS",
    "PLACEHOLDER",
    "STRICT",
    "Arrivals",
    "Closing",
    "EvidenceUse",
    "Expect",
    "FaultUse",
    "FixUse",
    "Healthy",
    "Load",
    "Measure",
    "Observe",
    "Prose",
    "Request",
    "Scenario",
    "Service",
    "Share",
    "StackNeeds",
    "Stage",
    "State",
    "Stop",
    "Values",
    "Wellness",
    "WrittenStage",
    "mean_rate",
]
