"""Every fault on an arm of real servers: what it was asked to do, what it did, and whether it healed."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

from pydantic import TypeAdapter
from redis import Redis

from lab import catalog
from lab.errors import LabError
from lab.loads.open import Open
from lab.model.dose import Dose
from lab.model.load import BlockOrder
from lab.model.scenario import Request, Stage, Values
from lab.model.stack import ArmSpec, RunContext, Running, Stack
from lab.reaper import Reaper

INDEX = "orders_customer_id_created_at_idx"
EXAMPLES: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("kill", {"service": "redis"}),
    ("stop", {"service": "postgres"}),
    ("pause", {"service": "redis"}),
    ("restart", {"service": "redis"}),
    ("cpu-limit", {"service": "app", "cores": 0.2}),
    ("memory-limit", {"service": "postgres"}),
    ("cpu-stress", {"service": "redis", "workers": 1, "share": "50%"}),
    ("memory-stress", {"service": "redis", "bytes": "60MB"}),
    ("disk-fill", {"service": "redis", "bytes": "20MB"}),
    ("latency", {"link": "redis", "delay": "20ms"}),
    ("latency", {"link": "postgres", "delay": "100ms", "jitter": "20ms"}),
    ("bandwidth", {"link": "redis", "rate": "400KB"}),
    ("slow-close", {"link": "redis", "delay": "200ms"}),
    ("timeout", {"link": "redis", "after": "300ms"}),
    ("reset-peer", {"link": "redis", "after": "0ms"}),
    ("slicer", {"link": "redis", "size": "200B", "variation": "50B", "delay": "5ms"}),
    ("limit-data", {"link": "redis", "bytes": "60KB"}),
    ("link-down", {"link": "redis"}),
    ("fail-first", {"link": "redis", "connections": 3}),
    ("drop-index", {"index": INDEX}),
    ("invalidate-index", {"index": INDEX}),
    ("hold-lock", {"table": "orders"}),
    ("idle-in-transaction", {"sessions": 3, "table": "products"}),
    ("long-queries", {"count": 2}),
    ("deadlock-pair", {"table": "products", "ids": (3, 4)}),
    ("terminate-backends", {}),
    ("shrink-max-connections", {"to": 3}),
    ("stale-statistics", {"table": "orders"}),
    ("bloat", {"table": "reviews", "factor": 1.5}),
    ("expire-key", {"key": "ranking"}),
    ("expire-pattern", {"pattern": "product*"}),
    ("flush", {}),
    ("maxmemory", {"bytes": "5MB"}),
    ("slow-command", {"length": "200ms"}),
    ("refuse-writes", {"how": "min-replicas"}),
    ("refuse-writes", {"how": "oom"}),
    ("refuse-writes", {"how": "readonly"}),
    ("app-settings", {"set": {"POOL_SIZE": 1}}),
    ("code-path", {"module": "stampede", "variant": "single_flight"}),
    ("spike", {"factor": 5, "start": "200ms", "length": "500ms"}),
    ("hot-key", {"request": "product", "placeholder": "product", "value": 7, "share": "80%"}),
    ("retry-storm", {"tries": 3, "timeout": "300ms", "after": "20ms"}),
)
PRODUCT = Request(name="product", get="/products/{product}", values={"product": Values(uniform=(1, 2000))})
MISSING = Request(name="missing", get="/products/999999", weight=0.2)  # fails, so that it is tried again
_RATE, _LENGTH_S, _LEAD_S = 100.0, 1.0, 0.3


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One fault, once. ``healed`` is None for one that passes by itself; ``refused`` says why it was not done."""

    kind: str
    target: str
    doses: tuple[Dose, ...] = ()
    healed: bool | None = None
    refused: str = ""

    @property
    def bit(self) -> bool:
        return bool(self.doses) and all(dose.bit for dose in self.doses)


def trials(stack: Stack) -> Iterator[Trial]:
    """Every example once, one after another, on an arm of its own."""
    kinds = catalog.kinds().faults
    with _arm(stack) as (running, load, folder):
        for n, (kind, keys) in enumerate(EXAMPLES, 1):
            fault = TypeAdapter(kinds[kind]).validate_python(keys)
            warm(running)
            try:
                if "load" in fault.needs:
                    yield Trial(kind=kind, target=fault.target, doses=_asked(fault, running, load, folder, n))
                else:
                    yield _done(kind, fault, running)
            except LabError as error:
                yield Trial(kind=kind, target=fault.target, refused=f"{error.what}: {error.why}"[:200])


def _done(kind: str, fault: Any, running: Running) -> Trial:
    fault.undo(running)
    with fault.inject(running):
        doses = fault.dose(running)
    healed = None if fault.event is not None else not all(dose.bit for dose in fault.dose(running))
    return Trial(kind=kind, target=fault.target, doses=doses, healed=healed)


def _asked(fault: Any, running: Running, load: Open, folder: Path, n: int) -> tuple[Dose, ...]:
    order = fault.shape(
        BlockOrder(
            n=n, url=running.url, start_ns=time.monotonic_ns() + int(_LEAD_S * 1e9),
            stages=(Stage(rate=_RATE, length=_LENGTH_S),), arrivals="poisson", seed=n, timeout_s=2.0,
            requests=(PRODUCT, MISSING), samples=folder / f"{n}.npy",
        )
    )  # fmt: skip
    load.begin(order)
    doses: tuple[Dose, ...] = fault.dose_of(order, load.finish(30.0))
    return doses


def warm(running: Running) -> None:
    """Some pages, so that the app holds connections and Redis keys, and 8 MB more of these. The first page after
    a fault may still fail."""
    opener = build_opener(ProxyHandler({}))
    for path in ("/products/top", *(f"/products/{n}" for n in range(1, 40))):
        with contextlib.suppress(OSError), opener.open(running.url + path, timeout=5) as answer:
            answer.read()
    with Redis.from_url(running.redis_url, socket_timeout=5) as client:
        client.mset({f"filler:{n}": "x" * 20_000 for n in range(400)})


@contextlib.contextmanager
def _arm(stack: Stack) -> Iterator[tuple[Running, Open, Path]]:
    with tempfile.TemporaryDirectory(prefix="lab-doses-") as name, contextlib.ExitStack() as cleanup:
        scratch = Path(name)
        scratch.chmod(0o755)
        reaper = Reaper.start(scratch)
        cleanup.callback(reaper.close)
        run = RunContext(
            id=f"doses{time.time_ns() % 10**9:x}", folder=scratch, scratch=scratch, seed=7,
            report=lambda _line: None, own=reaper.own,
        )  # fmt: skip
        stack.prepare(run)
        load = Open(scratch, own=reaper.own)
        cleanup.callback(load.close)
        running = stack.start(ArmSpec(name="shop", links=frozenset({"postgres", "redis"})), run)
        cleanup.callback(running.stop)
        yield running, load, scratch


def kinds_without_example(kinds: Sequence[str]) -> list[str]:
    return sorted(set(kinds) - {kind for kind, _ in EXAMPLES})
