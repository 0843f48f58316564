"""What a stack promises to the rest of the lab, and what a plug-in is. Protocols only.

A stack is one app with its own Postgres and Redis. Stack plug-ins implement :class:`Stack` and
:class:`Running`; faults, fixes and probes see nothing but :class:`Running`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Protocol

from pydantic import AfterValidator, WithJsonSchema

from lab.model.dose import Dose

_SERVICE = r"(app(-[1-9]\d?)?|balancer|postgres|redis)"


def _service(name: str) -> str:
    if not re.fullmatch(_SERVICE, name):
        several = "where the app has several instances also 'app-1', 'app-2' and so on, and 'balancer'"
        raise ValueError(f"expected 'app', 'postgres' or 'redis', got {name!r}; {several}")
    return name


ServiceName = Annotated[
    str,  # one of ``Running.services``
    AfterValidator(_service),
    WithJsonSchema({"type": "string", "pattern": f"^{_SERVICE}$", "examples": ["app", "app-2", "redis"]}),
]
Report = Callable[[str], None]  # one plain line of progress


@dataclass(frozen=True, kw_only=True)
class ArmSpec:
    """What one arm is made of. The name is opaque on purpose: the app's logs must not name a problem."""

    name: str
    app: str = "sample_app"
    services: tuple[str, ...] = ("postgres", "redis")
    processes: int = 1
    instances: int = 1  # of the app; more than one stand behind a balancer
    code: Mapping[str, str] = field(default_factory=dict)  # problem module -> variant
    environment: Mapping[str, str] = field(default_factory=dict)
    links: frozenset[str] = frozenset()  # services that are reached through a link

    @property
    def apps(self) -> tuple[str, ...]:
        """The names of the app's instances."""
        return ("app",) if self.instances == 1 else tuple(f"app-{n + 1}" for n in range(self.instances))

    @property
    def front(self) -> str:
        """What is asked: the app, or the balancer before its instances."""
        return "app" if self.instances == 1 else "balancer"

    @property
    def names(self) -> tuple[str, ...]:
        """Whatever runs, each after what asks it."""
        return tuple(dict.fromkeys((self.front, *self.apps, *self.services)))


@dataclass(frozen=True, kw_only=True)
class LinkPoint:
    """Where a link stands before one service. Addresses are those by which the lab reaches them."""

    api: str  # URL of the link's HTTP API
    proxy: str  # its name there
    listen: tuple[str, int]  # through the link
    direct: tuple[str, int]  # past it


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """Where a run keeps things and under which opaque id its processes and containers go.

    ``own`` registers a resource to be removed should this process die: see ``lab.reaper``.
    """

    id: str
    folder: Path  # logs/ lies below
    scratch: Path  # data folders of servers; removed with the run
    seed: int
    report: Report
    own: Callable[[Mapping[str, Any]], None]
    link_url: str = ""  # a link that runs already, to be used instead of one for each arm


class Running(Protocol):
    """One arm, up and answering. Every address is on 127.0.0.1.

    Its services are ``app``, or the ``balancer`` before ``app-1`` and so on, and those that the app asks.
    Where a method takes one, another name raises EnvironmentFailed.
    """

    name: str
    url: str  # of the front, without a trailing slash
    dsn: str  # Postgres as its superuser, a libpq URL; "" where there is none
    redis_url: str  # "" where there is none
    versions: Mapping[str, str]

    @property
    def services(self) -> tuple[str, ...]:
        """Each after what asks it."""

    @property
    def front(self) -> str:
        """The one that is asked first."""

    @property
    def instances(self) -> tuple[str, ...]:
        """Of the app, one or more."""

    def address(self, service: ServiceName) -> tuple[str, int]:
        """Where it listens, past its link."""

    def logs(self, service: ServiceName, lines: int = 20) -> str:
        """The last lines of a service's log."""

    def cpu_seconds(self, service: ServiceName | None = None) -> float:
        """CPU time used so far by all processes of the arm, or of one service with what runs beside it."""

    def memory_mb(self, service: ServiceName) -> float:
        """Anonymous memory that a service's processes hold now, in MB of a million bytes; 0.0 where it is down.

        Not the pages of files and shared segments, which belong to nobody. Raises EnvironmentFailed.
        """

    def alive(self, service: ServiceName) -> bool: ...

    def kill(self, service: ServiceName) -> None:
        """SIGKILL; returns when the service is gone."""

    def start(self, service: ServiceName) -> None:
        """Start a service that is down, on its old address with its old data; returns when it answers."""

    def restart(self, service: ServiceName) -> None: ...

    def restart_app(
        self, *, code: Mapping[str, str | None] | None = None, settings: Mapping[str, object] | None = None
    ) -> None:
        """Start the app anew with other variants (by problem module) and settings (by name); those that are not
        named stay as they are, and None puts one back as the arm was made. All its instances, and the balancer.

        Nothing where they are up and run so already. Raises EnvironmentFailed where one refuses to.
        """

    def end(self, service: ServiceName, grace_s: float) -> str:
        """Ask it to end as an administrator would, wait, then SIGKILL: "by itself" or "killed". It is gone
        when this returns; "by itself" where it was down."""

    def life(self, service: ServiceName) -> str:
        """What tells one life of a service from the next, from kernel or engine; "" where it is down."""

    def pids(self, service: ServiceName, *, beside: bool = False) -> tuple[int, ...]:
        """Its processes, or those that ``beside`` runs with it, as this machine numbers them, the first one
        first; () where it is down, or where they run out of this machine's sight."""

    def pause(self, service: ServiceName) -> None:
        """Have its processes stand still, those beside it too. Counted, and apart from ``freeze``: it stands
        still until each ``pause`` has its ``resume`` and the arm is thawed. A new start begins at none."""

    def resume(self, service: ServiceName) -> None:
        """Take one ``pause`` back; nothing where none is left."""

    def limit_cpu(self, service: ServiceName, cores: float) -> AbstractContextManager[Mapping[str, Any]]:
        """While it lasts the service, also when started anew, gets no more than ``cores``, 0.05 and above.
        Yields how: ``{"cores": ..., "by": ...}``. Raises EnvironmentFailed."""

    def limit_memory(self, service: ServiceName, size: float) -> AbstractContextManager[Mapping[str, Any]]:
        """While it lasts the service, also when started anew, gets no more than ``size`` bytes.

        ``by`` in what it yields says how: "container" bounds the anonymous and cached memory of all its
        processes together, "resource limit" the private memory of each one. Raises EnvironmentFailed.
        """

    def memory_limit(self, service: ServiceName) -> float | None:
        """The limit in bytes that the kernel holds for it now (the loosest of its processes'), None without."""

    def beside(self, service: ServiceName, *command: str) -> AbstractContextManager[None]:
        """A program that runs where the service runs, under the same limits, and ends with its whole tree
        when the context does. See ``pids(..., beside=True)``. Raises EnvironmentFailed."""

    def run(self, service: ServiceName, *command: str) -> str:
        """Run a command to its end where the service runs; its output. Raises EnvironmentFailed."""

    def remove_file(self, service: ServiceName, path: str) -> None:
        """Give back the room of a file as ``run`` sees it, though the service is down or stands still; nothing
        where there is none. Raises EnvironmentFailed."""

    def data_folder(self, service: ServiceName) -> str:
        """A folder that it may write to, as ``run`` sees it; gone with the arm."""

    def link(self, service: ServiceName) -> LinkPoint:
        """The link before a service. Raises EnvironmentFailed where the arm was made without one."""

    def freeze(self) -> None:
        """Have the whole arm stand still, but for its links; nothing where it does."""

    def thaw(self) -> None:
        """Have it go on, but for what is paused."""

    def stop(self) -> None:
        """End everything of this arm and remove its data. Safe to call twice, and after a failure."""


class Stack(Protocol):
    """A backend that can bring arms up. ``prepare`` does what is done once (data, images)."""

    kind: ClassVar[str]
    preference: ClassVar[int]  # ``auto`` takes the lowest that can start without fetching anything
    offers: ClassVar[frozenset[str]]

    def missing_images(self) -> list[str]:
        """What a first run would have to fetch."""

    def lacks(self, capability: str) -> str:
        """Why this machine cannot do something that the stack ``offers``; "" where it can."""

    def available(self) -> str:
        """Empty where this backend can run here, else the reason in one line."""

    def prepare(self, run: RunContext) -> None: ...

    def start(self, arm: ArmSpec, run: RunContext) -> Running: ...


class Fault(Protocol):
    """A frozen pydantic dataclass; its fields are the YAML keys, its file name the kind.

    A kind of which several may act on one target at once says so with ``composes = True``. One that needs
    "link" names the service behind the link in its field ``link``.
    """

    needs: ClassVar[frozenset[str]]
    event: ClassVar[
        str | None
    ]  # what one injection is called in ``per:`` (an expiry), if it passes by itself

    @property
    def target(self) -> str:
        """What it acts on, in words: "redis", "index orders_idx". Never empty."""

    def undo(self, running: Running) -> Mapping[str, Any]:
        """What would have to be done to heal it, as data; written to disk before the fault is done.

        Raises EnvironmentFailed where the target is not there.
        """

    def inject(self, running: Running) -> AbstractContextManager[Mapping[str, Any]]:
        """Do it, yield what was done as data, undo it in ``finally``; what is healed already stays as it is."""

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """What it does while it is on, as the server or the kernel has it, against what it was to do."""


class Fix(Protocol):
    """A frozen pydantic dataclass; its file name is the key under which a scenario uses it."""

    needs: ClassVar[frozenset[str]]

    def prepare(self, arm: ArmSpec, module: str) -> ArmSpec:
        """The arm as it has to be started for this fix; ``module`` is the scenario's problem module."""

    def apply(self, running: Running) -> None:
        """Act on the running fix arm, while load is on."""

    def placebo(self, running: Running) -> None:
        """The side effects of ``apply`` without its content, for the problem and placebo arms."""


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """One thing that a counter probe can count. ``scale`` as in ``MeasureSpec``."""

    unit: str
    scale: Literal["ratio", "difference"]
    doc: str


Statistic = Literal["slope", "peak", "mean"]


@dataclass(frozen=True, kw_only=True)
class Gauge(Quantity):
    """What becomes of one sampled number over a block.

    ``reading`` names the number in what ``GaugeProbe.sample`` gives. ``statistic`` is its ``peak``, its
    ``mean``, or its ``slope`` for each 1,000 requests answered; ``unit`` is that of the result.
    """

    reading: str
    statistic: Statistic


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a diagnosis probe saw: the command a person would type, and its output as text."""

    title: str
    command: str
    text: str
    kind: str = ""
    picture: str = ""  # an SVG where there is one, which says it better than the text


class CounterProbe(Protocol):
    """A probe that reads cumulative counters; a measure is the difference over one block."""

    quantities: ClassVar[Mapping[str, Quantity]]
    lag_s: ClassVar[float]  # how old a reading may be

    def read(self, running: Running) -> Mapping[str, float]: ...

    def preflight(self, running: Running) -> str:
        """Do a known amount of work and read it back: empty where the counter is exact, else what is wrong."""


class GaugeProbe(Protocol):
    """A probe that reads what goes up and down, again and again while a block lasts."""

    gauges: ClassVar[Mapping[str, Gauge]]

    def sample(self, running: Running) -> Mapping[str, float]:
        """The numbers of this moment, within milliseconds. Raises EnvironmentFailed where nothing answers."""

    def preflight(self, running: Running) -> str:
        """Empty where the numbers can be trusted, else what is wrong."""


class EvidenceProbe(Protocol):
    """A probe that captures text for people."""

    def capture(self, running: Running) -> Evidence: ...
