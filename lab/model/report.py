"""The run as people read it: what a run folder says about itself, and everything a rendering needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass as plain
from dataclasses import field
from typing import Any

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.dose import Dose
from lab.model.run import Block, Judgement, Plan
from lab.model.scenario import Scenario
from lab.model.stack import Evidence

_ON_DISK = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_ON_DISK, kw_only=True)
class Machine:
    """Where a run was measured. Memory in bytes."""

    cores: int
    memory_bytes: int
    kernel: str
    python: str
    cpu: str = ""


@dataclass(frozen=True, config=_ON_DISK, kw_only=True)
class Generator:
    """What the load generator can do on this machine, measured before the run against a server that does
    nothing, and how it made the requests of the run.

    ``executor`` is the one that the run's own blocks used, ``because`` why it was not *fast*. ``ceiling_per_s``
    is how many requests a second all its ``workers`` together can make with all of a core each. The floor is
    what the latency of an app that takes no time would be read as, at a low rate; ``schedule_error_p99_ms`` how
    late requests left there. ``share_of_ceiling`` is what the run's highest rate asks of it, None in a closed
    run, which has no rate.
    """

    executor: str
    because: str = ""
    ceiling_per_s: float
    floor_p50_ms: float
    floor_p99_ms: float
    schedule_error_p99_ms: float
    share_of_ceiling: float | None = None
    workers: int = 1


@dataclass(frozen=True, config=_ON_DISK, kw_only=True)
class RunInfo:
    """What is known of a run beside its plan. Schema ``lab.run/1``.

    ``started`` is UTC in ISO 8601; ``load_s`` the seconds of load, ``wall_s`` the seconds in all;
    ``exit`` the exit code; ``again`` the command that runs the same experiment once more. ``generator`` is None
    in a run that ended before it was calibrated. ``failed`` says what ended it early so that it has no verdict.
    """

    run: str
    scenario: str
    stack: str
    seed: int
    started: str
    machine: Machine
    versions: Mapping[str, str] = field(default_factory=dict)
    load_s: float = 0.0
    wall_s: float = 0.0
    exit: int = 0
    warnings: tuple[str, ...] = ()
    again: str = ""
    generator: Generator | None = None
    failed: str = ""
    schema: str = "lab.run/1"


@dataclass(frozen=True, config=_ON_DISK, kw_only=True)
class Event:
    """One line of ``events.jsonl``; ``t_ns`` is on the clock of ``Block.start_ns``."""

    t_ns: int
    kind: str  # arm-up, fault-on, dose, fault-off, healed, event, fix-applied, note
    arm: str
    what: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, config=_ON_DISK, kw_only=True)
class FaultDose:
    """What a fault did in one arm. ``healed`` is None where nothing was measured after its undo."""

    arm: str
    fault: str
    target: str
    doses: tuple[Dose, ...]
    healed: bool | None = None


@plain(frozen=True, kw_only=True)
class Span:
    """A stretch of time in which a fault was on in an arm; an event that passes has equal ends.

    Seconds on the run's clock, which is 0 at the first block.
    """

    arm: str
    what: str
    start_s: float
    end_s: float


@plain(frozen=True, kw_only=True)
class Tick:
    """One slice of an arm's time under load. Latencies in ms, None where no request was due.

    ``at_s`` is the middle of the slice on the run's clock. ``offered`` and ``done`` are requests per
    second, ``failed`` a share from 0 to 1.
    """

    at_s: float
    block: int
    p50_ms: float | None
    max_ms: float | None
    offered: float
    done: float
    failed: float


@plain(frozen=True, kw_only=True)
class Moment:
    """All requests of an arm that were due at the same distance from the start of their block."""

    offset_s: float
    p50_ms: float
    p95_ms: float
    requests: int


@plain(frozen=True, kw_only=True)
class Curve:
    """Latencies of an arm pooled over its undisturbed blocks: ``(ms, share answered within)`` pairs.

    ``refused`` counts the failed requests that got some answer before the time-out: their latencies say
    nothing about how fast the app is.
    """

    arm: str
    points: tuple[tuple[float, float], ...]
    requests: int
    failed: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    refused: int = 0


@plain(frozen=True, kw_only=True)
class StoredFile:
    """A file of the run folder, by its path inside it."""

    path: str
    size: int
    what: str


@plain(frozen=True, kw_only=True)
class Report:
    """Everything a rendering needs; renderings read nothing else.

    ``evidence`` goes by ``arm.probe``; ``code`` by fix, each a unified diff or the statement of the fix;
    ``timeline``, ``profiles`` and ``curves`` by arm; the last two are empty where no samples were kept.
    ``folder`` is where the run lies.
    """

    scenario: Scenario
    plan: Plan
    info: RunInfo
    judgement: Judgement
    blocks: tuple[Block, ...]
    folder: str
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    faults: tuple[Span, ...] = ()
    timeline: Mapping[str, tuple[Tick, ...]] = field(default_factory=dict)
    profiles: Mapping[str, tuple[Moment, ...]] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    files: tuple[StoredFile, ...] = ()
    warnings: tuple[str, ...] = ()
