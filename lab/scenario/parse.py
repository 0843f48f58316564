"""From the text of one file to a :class:`Scenario`, or to the list of everything that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import PurePath
from typing import TypeVar

from lab.model.kinds import Kinds
from lab.model.scenario import (
    Closing,
    FixUse,
    Load,
    Prose,
    Request,
    Scenario,
    StackNeeds,
    Stop,
)
from lab.scenario.checks import check
from lab.scenario.healthy import HEALTHY_REQUESTS, healthy
from lab.scenario.parts import Parts, evidence, fault, fix, measure
from lab.scenario.problems import invalid
from lab.scenario.reading import Placed, Reading, amended
from lab.scenario.tree import Path, read

T = TypeVar("T")

PROSE = tuple(f.name for f in fields(Prose))
_PARTS = (
    "stack",
    "healthy",
    "load",
    "faults",
    "symptoms",
    "guardrails",
    "fixes",
    "evidence",
    "closing",
    "strict",
    "stop",
)
KNOWN = (*PROSE, *_PARTS)


def parse(text: str | bytes, kinds: Kinds, path: str) -> Scenario:
    """Read a scenario file; ``path`` names it in messages and gives the slug. Pure.

    Raises ScenarioInvalid with every mistake of the file, each with line and column.
    """
    tree = read(text, path)
    reading = Reading(tree, tree.problems)
    reading.mapping((), KNOWN)
    parts = _parts(reading, kinds)
    check(reading, kinds, parts)
    if reading.problems:
        raise invalid(path, reading.problems)
    return _scenario(parts, text if isinstance(text, str) else text.decode("utf-8-sig"), path)


def slug_of(path: str) -> str:
    """The name of a scenario: that of its file, in lower case with dashes."""
    return re.sub(r"[^a-z0-9]+", "-", PurePath(path).stem.lower()).strip("-") or "scenario"


def _parts(reading: Reading, kinds: Kinds) -> Parts:
    prose = {key: reading.tree.at((key,)) for key in PROSE if reading.has((key,))}
    return Parts(
        prose=reading.build(Prose, (), prose),
        stack=_optional(reading, StackNeeds, "stack") if reading.has(("stack",)) else StackNeeds(),
        healthy=healthy(reading),
        healthy_requests=_requests(reading, HEALTHY_REQUESTS, needed=_A_REQUEST),
        load=_load(reading),
        requests=_requests(reading, ("load", "requests"), needed=_needed(reading)),
        faults=reading.each(("faults",), lambda at: fault(reading, kinds, at)),
        symptoms=reading.each(("symptoms",), lambda at: measure(reading, kinds, at), needed=_A_SYMPTOM),
        guardrails=reading.each(("guardrails",), lambda at: measure(reading, kinds, at)),
        fixes=_fixes(reading, kinds),
        evidence=reading.each(("evidence",), lambda at: evidence(reading, kinds, at)),
        closing=_optional(reading, Closing, "closing"),
        strict=_strict(reading),
        stop=_optional(reading, Stop, "stop") or Stop(),
    )


_A_REQUEST = "write at least one, for example {name: ranking, get: /products/top}"
_A_SYMPTOM = "write at least one measure of what a person sees"


def _whole(reading: Reading, kind: type[T], at: Path) -> T | None:
    values = reading.mapping(at)
    return None if values is None else reading.build(kind, at, values)


def _optional(reading: Reading, kind: type[T], key: str) -> T | None:
    return _whole(reading, kind, (key,)) if reading.has((key,)) else None


def _load(reading: Reading) -> Load | None:
    """The load without its requests: they are read one by one, so that one mistake does not hide others."""
    values = reading.mapping(("load",))
    return None if values is None else reading.build(Load, ("load",), {**values, "requests": []})


def _needed(reading: Reading) -> str:
    return _A_REQUEST if reading.tree.at(("load", "locustfile")) is None else ""


def _requests(reading: Reading, at: Path, *, needed: str) -> list[Placed[Request]]:
    if not isinstance(reading.tree.at(at[:-1]), dict):
        return []
    return reading.each(at, lambda one: _whole(reading, Request, one), needed=needed)


def _strict(reading: Reading) -> bool:
    value = reading.tree.at(("strict",)) if reading.has(("strict",)) else False
    if not isinstance(value, bool):
        reading.problem(("strict",), f"expected true or false, got {value!r}")
        return False
    return value


def _fixes(reading: Reading, kinds: Kinds) -> list[Placed[FixUse]]:
    if not reading.has(("fixes",)):
        return []
    names = reading.mapping(("fixes",)) or {}
    return reading.all([("fixes", name) for name in names], lambda at: fix(reading, kinds, at))


def _scenario(parts: Parts, source: str, path: str) -> Scenario:
    assert parts.prose is not None and parts.stack is not None and parts.load is not None  # else: problems
    return Scenario(
        slug=slug_of(path),
        source=source,
        path=path,
        prose=parts.prose,
        stack=parts.stack,
        healthy=amended(parts.healthy, requests=_values(parts.healthy_requests)),
        load=amended(parts.load, requests=_values(parts.requests)),
        faults=_values(parts.faults),
        symptoms=_values(parts.symptoms),
        guardrails=_values(parts.guardrails),
        fixes={str(one.at[-1]): one.value for one in parts.fixes},
        evidence=_values(parts.evidence),
        closing=parts.closing,
        strict=parts.strict,
        stop=parts.stop,
    )


def _values(placed: Sequence[Placed[T]]) -> tuple[T, ...]:
    return tuple(one.value for one in placed)
