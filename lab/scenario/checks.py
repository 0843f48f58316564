"""What must fit together across the parts of a scenario. Pure; everything wrong is noted at its place."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from lab.model.kinds import Kinds
from lab.model.scenario import FaultUse, FixUse
from lab.scenario.blocks import check_block
from lab.scenario.healthy import check_healthy
from lab.scenario.load import check_load
from lab.scenario.measures import check_measures
from lab.scenario.parts import Parts
from lab.scenario.problems import unknown
from lab.scenario.reading import Placed, Reading
from lab.scenario.requests import check_request
from lab.scenario.tree import Path

RESERVED = frozenset({"healthy", "problem", "placebo", "calm", "all", "none", "first"})
_FIX_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SERVICES = frozenset({"postgres", "redis"})
MOST_INSTANCES = 8


def check(reading: Reading, kinds: Kinds, parts: Parts) -> None:
    """Note everything that no part can see on its own."""
    _unique(reading, [(one.at, one.value.name) for one in parts.requests], "request")
    _unique(reading, [(one.at, one.value.name) for one in parts.measures], "measure")
    _unique(reading, [(one.at, one.value.name) for one in parts.healthy_requests], "request")
    for request in (*parts.requests, *parts.healthy_requests):
        check_request(reading, request)
    for fault in parts.faults:
        _fault(reading, fault)
    _at_once(reading, parts.faults)
    for fix in parts.fixes:
        _fix(reading, fix)
    _stack(reading, parts)
    check_load(reading, parts)
    _services(reading, kinds, parts)
    _names(reading, parts)
    _closing(reading, parts)
    check_healthy(reading, parts)
    check_measures(reading, kinds, parts)
    check_block(reading, parts)


def _unique(reading: Reading, names: Sequence[tuple[Path, str]], what: str) -> None:
    count = Counter(name for _, name in names)
    first = {name: at for at, name in reversed(names)}
    for at, name in names:
        if count[name] > 1 and at != first[name]:
            line, _ = reading.tree.place((*first[name], "name"))
            reading.problem((*at, "name"), f"a second {what} named {name!r}: the first is in line {line}")


def _fault(reading: Reading, placed: Placed[FaultUse]) -> None:
    at, use = placed.at, placed.value
    event = type(use.params).event
    if event is None and use.event_window is not None:
        message = f"{use.kind} has no event that passes: leave event_window out"
        reading.problem((*at, "event_window"), message, key=True)
    if event is not None and use.when != "each-block":
        message = f"{use.kind} passes by itself: write when: each-block, and an event_window"
        reading.problem((*at, "when"), message)
    elif event is not None and use.event_window is None:
        reading.problem(at, f"missing key 'event_window': how long an {event} is felt, for example 500ms")
    if use.when == "standing" and reading.has((*at, "at")):
        reading.problem((*at, "at"), "a standing fault happens before the first block: leave out", key=True)


def _at_once(reading: Reading, faults: Sequence[Placed[FaultUse]]) -> None:
    """The same kind twice on one target: the first to heal would heal both."""
    first: dict[tuple[str, str], Path] = {}
    for placed in faults:
        use = placed.value
        key = (use.kind, use.params.target)
        if key in first and not getattr(use.params, "composes", False):
            line, _ = reading.tree.place(first[key])
            reading.problem(
                placed.at, f"a second {use.kind} on {use.params.target}: the first is in line {line}"
            )
        first.setdefault(key, placed.at)


def _fix(reading: Reading, placed: Placed[FixUse]) -> None:
    at, fix = placed.at, placed.value
    name = str(at[-1])
    if name in RESERVED:
        reading.problem(at, f"{name!r} is the lab's own word: give the fix another name", key=True)
    elif not _FIX_NAME.fullmatch(name):
        reading.problem(at, f"the name of a fix has small letters, digits and dashes: not {name!r}", key=True)
    if not fix.expect:
        reading.problem((*at, "expect"), "name at least one state, for example resolved")
    if "resolved" not in fix.expect and not fix.expect_reason:
        reading.problem(
            (*at, "expect"), "missing key 'expect_reason': say why it does not resolve the problem"
        )
    if fix.processes is not None and fix.processes < 1:
        reading.problem((*at, "processes"), "an app has at least one process")
    if fix.when == "once" and reading.has((*at, "at")):
        reading.problem(
            (*at, "at"), "once is before the first block: leave out, or write when: each-block", key=True
        )


def _stack(reading: Reading, parts: Parts) -> None:
    if parts.stack is None:
        return
    if parts.stack.processes < 1:
        reading.problem(("stack", "processes"), "an app has at least one process")
    if not 1 <= parts.stack.instances <= MOST_INSTANCES:
        reading.problem(("stack", "instances"), f"an arm has 1 to {MOST_INSTANCES} instances of its app")


def _services(reading: Reading, kinds: Kinds, parts: Parts) -> None:
    """Whatever a plug-in needs of the servers has to stand under ``stack: services``."""
    if parts.stack is None:
        return
    missing = _SERVICES - set(parts.stack.services)
    uses: list[tuple[Path, str, object]] = [(f.at, f.value.kind, f.value.params) for f in parts.faults]
    uses += [(fix.at, fix.value.kind, fix.value.params) for fix in parts.fixes]
    uses += [(seen.at, seen.value.kind, seen.value.params) for seen in parts.evidence]
    uses += [
        ((*one.at, "measure"), one.value.measure, kinds.probes.get(one.value.measure.partition(".")[0]))
        for one in parts.measures
    ]
    for at, kind, plugin in uses:
        needs = set(getattr(plugin, "needs", ()))
        for service in sorted(missing & needs):
            reading.problem(at, f"{kind} needs {service}: add it to the services of the stack")
        if "balancer" in needs and parts.stack.instances == 1:
            reading.problem(at, f"{kind} needs a balancer: write stack: {{instances: 3}}, or another number")


def _names(reading: Reading, parts: Parts) -> None:
    """Instances and the balancer are there only where the stack asks for several; then the app is not one."""
    if parts.stack is None:
        return
    uses: list[Placed[Any]] = [*parts.faults, *parts.fixes, *parts.evidence]
    for placed in uses:
        for key in ("service", "link"):
            named = getattr(placed.value.params, key, None)
            if named is not None and named not in (*parts.stack.names, *_SERVICES):
                reading.problem((*placed.at, key), unknown("service of the stack", named, parts.stack.names))


def _closing(reading: Reading, parts: Parts) -> None:
    if parts.closing is None:
        return
    if not any(fault.value.when == "standing" for fault in parts.faults):
        reading.problem(
            ("closing",), "nothing heals in the closing stretch: it needs a standing fault", key=True
        )
    if parts.closing.heal_at >= parts.closing.length:
        reading.problem(
            ("closing", "heal_at"), "the fault heals within the closing stretch: before its length"
        )
