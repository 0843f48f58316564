"""The scenario as data: what one YAML file says, typed. Nothing here reads a file or starts anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.units import PerSecond, Seconds, Share

STRICT = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

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
    """Which app and servers every arm of the run consists of."""

    app: str = "sample_app"
    services: tuple[Service, ...] = ("postgres", "redis")
    processes: int = 1


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Request:
    """One kind of request. ``path`` may hold ``{placeholders}`` that ``values`` fills, seeded.

    ``values`` maps a placeholder to ``{"uniform": [low, high]}`` (integers, both ends included).
    """

    name: str
    get: str | None = None
    post: str | None = None
    body: Any = None
    values: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)
    weight: float = 1.0

    @property
    def method(self) -> str:
        return "GET" if self.get is not None else "POST"

    @property
    def path(self) -> str:
        return self.get or self.post or ""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Load:
    """Open-model load of one block: requests are due at planned moments, whatever the app does."""

    rate: PerSecond
    requests: tuple[Request, ...]
    block: Seconds
    arrivals: Literal["poisson", "constant"] = "poisson"
    timeout: Seconds = 2.0
    warm_up: Seconds = 2.0


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
    ``tau`` is the tolerated ratio to healthy; ``tolerance`` the tolerated difference where zero is possible.
    """

    name: str
    measure: str
    of: str | None = None
    per: str | None = None
    over: Seconds | None = None
    limit: float | None = None  # parsed from the quantity's own unit: 3%, 100ms, or a bare count
    tau: float = 1.25
    tolerance: float | None = None
    cause: bool = False


@dataclass(frozen=True, config=STRICT, kw_only=True)
class FixUse:
    """A fix kind with its parameters, and what the scenario says of it."""

    kind: str
    params: Any  # an instance of the fix's own dataclass
    documented: bool
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
class Prose:
    """What a person reads, in the field's terms."""

    title: str
    guide: str
    problem: str
    symptom: str
    diagnosis: str
    cause: str


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Scenario:
    """One documented problem with its fault, load, symptoms and fixes."""

    slug: str
    source: str  # the text of the file, byte for byte
    path: str
    prose: Prose
    stack: StackNeeds
    healthy: Literal["fault-off", "limit"]
    load: Load
    faults: tuple[FaultUse, ...]
    symptoms: tuple[Measure, ...]
    guardrails: tuple[Measure, ...]
    fixes: Mapping[str, FixUse]
    evidence: tuple[EvidenceUse, ...] = ()
    closing: Closing | None = None

    @property
    def documented(self) -> tuple[str, ...]:
        return tuple(name for name, fix in self.fixes.items() if fix.documented)


__all__ = [
    "STRICT",
    "Closing",
    "EvidenceUse",
    "FaultUse",
    "FixUse",
    "Load",
    "Measure",
    "Prose",
    "Request",
    "Scenario",
    "Service",
    "Share",
    "StackNeeds",
    "State",
]
