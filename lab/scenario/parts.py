"""The parts of a scenario file that name a kind: faults, fixes, evidence, measures. Pure."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lab.model.kinds import Kinds
from lab.model.measures import Written, known_measures, written
from lab.model.scenario import (
    Closing,
    EvidenceUse,
    FaultUse,
    FixUse,
    Healthy,
    Load,
    Measure,
    Prose,
    Request,
    StackNeeds,
    Stop,
)
from lab.model.units import Bytes, Seconds, Share
from lab.scenario.problems import kind_of, unknown
from lab.scenario.reading import Placed, Reading, amended, keys_of
from lab.scenario.tree import Path

_OWN_OF_FAULT = tuple(f.name for f in fields(FaultUse) if f.name not in ("kind", "params"))
_OWN_OF_FIX = tuple(f.name for f in fields(FixUse) if f.name not in ("kind", "params"))
_OWN_OF_EVIDENCE = ("title",)
_UNITS: dict[Written, TypeAdapter[float]] = {
    "duration": TypeAdapter(Seconds),
    "share": TypeAdapter(Share),
    "size": TypeAdapter(Bytes),
}


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What could be read of a scenario, part by part; None where a part is missing or wrong."""

    prose: Prose | None
    stack: StackNeeds | None
    healthy: Healthy  # without its requests
    healthy_requests: list[Placed[Request]]
    load: Load | None  # without its requests
    requests: list[Placed[Request]]
    faults: list[Placed[FaultUse]]
    symptoms: list[Placed[Measure]]
    guardrails: list[Placed[Measure]]
    fixes: list[Placed[FixUse]]
    evidence: list[Placed[EvidenceUse]]
    closing: Closing | None
    strict: bool
    stop: Stop

    @property
    def measures(self) -> list[Placed[Measure]]:
        return [*self.symptoms, *self.guardrails]


def fault(reading: Reading, kinds: Kinds, at: Path) -> FaultUse | None:
    """``{kind: expire-key, key: ranking, when: each-block}``: own keys of the use, the rest of the kind."""
    found: FaultUse | None = _use(reading, FaultUse, dict(kinds.faults), _OWN_OF_FAULT, "fault", at)
    return found


def evidence(reading: Reading, kinds: Kinds, at: Path) -> EvidenceUse | None:
    """``{kind: explain, of: ranking, title: ...}``."""
    found: EvidenceUse | None = _use(
        reading, EvidenceUse, dict(kinds.evidence), _OWN_OF_EVIDENCE, "evidence", at
    )
    return found


def _use(
    reading: Reading, use: type[Any], known: dict[str, type[Any]], own: tuple[str, ...], what: str, at: Path
) -> Any:
    raw = reading.tree.at(at)
    kind = raw.get("kind") if isinstance(raw, dict) else None
    if not isinstance(kind, str) or kind not in known:
        if reading.mapping(at) is not None:
            _no_kind(reading, what, kind, known, at)
        return None
    of_kind = keys_of(known[kind])
    values = reading.mapping(at, ["kind", *own, *of_kind])
    if values is None:
        return None
    params = reading.build(known[kind], at, {key: values[key] for key in of_kind if key in values})
    shell = {key: values[key] for key in own if key in values}
    built = reading.build(use, at, {"kind": kind, "params": None, **shell})
    return None if params is None or built is None else amended(built, params=params)


def _no_kind(reading: Reading, what: str, kind: object, known: dict[str, type[Any]], at: Path) -> None:
    if not reading.has((*at, "kind")):
        reading.problem(at, f"missing key 'kind' (known: {', '.join(sorted(known))})")
    else:
        reading.problem((*at, "kind"), unknown(f"{what} kind", kind, known))


def fix(reading: Reading, kinds: Kinds, at: Path) -> FixUse | None:
    """``{documented: true, why: ..., code: single_flight}``: exactly one key is a fix kind."""
    values = reading.mapping(at, [*_OWN_OF_FIX, *kinds.fixes])
    if values is None:
        return None
    shell = {key: value for key, value in values.items() if key in _OWN_OF_FIX}
    if isinstance(shell.get("expect"), str):
        shell["expect"] = [shell["expect"]]
    built = reading.build(FixUse, at, {"kind": "", "params": None, **shell})
    chosen = [key for key in values if key in kinds.fixes]
    if len(chosen) != 1:
        if chosen or len(values) == len(reading.tree.at(at)):  # else an unknown key is the likely mistake
            known, named = ", ".join(sorted(kinds.fixes)), " and ".join(chosen) or "none"
            reading.problem(at, f"a fix has exactly one of the keys {known}: here {named}")
        return None
    params = _params_of_fix(reading, kinds.fixes[chosen[0]], (*at, chosen[0]))
    return None if params is None or built is None else amended(built, kind=chosen[0], params=params)


def _params_of_fix(reading: Reading, kind: type[Any], at: Path) -> Any:
    value = reading.tree.at(at)
    if isinstance(value, dict):
        return reading.build(kind, at, value)
    keys = keys_of(kind)
    if isinstance(value, list) or value is None or not keys:
        reading.problem(at, f"expected keys and values ({', '.join(keys)}), got {kind_of(value)}")
        return None
    return reading.build(kind, at, {keys[0]: value})


def measure(reading: Reading, kinds: Kinds, at: Path) -> Measure | None:
    """A symptom or guardrail; ``limit`` and ``tolerance`` are read in the unit of the measured quantity."""
    values = reading.mapping(at, keys_of(Measure))
    if values is None:
        return None
    quantity = values.get("measure")
    unit = written(quantity, kinds) if isinstance(quantity, str) else None
    if isinstance(quantity, str) and unit is None:
        reading.problem((*at, "measure"), unknown("measure", quantity, known_measures(kinds)))
    bounds = {}
    for key in ("limit", "tolerance"):
        if (raw := values.pop(key, None)) is not None and unit is not None:
            bounds[key] = _bound(reading, unit, str(quantity), raw, (*at, key))
    built = reading.build(Measure, at, values | bounds)
    return None if unit is None else built


def _bound(reading: Reading, unit: Written, measure: str, raw: object, at: Path) -> float | None:
    if unit == "count":
        if isinstance(raw, int | float) and not isinstance(raw, bool):
            return float(raw)
        reading.problem(at, f"{measure} is a count: write a bare number such as 1, not {kind_of(raw)}")
        return None
    try:
        return _UNITS[unit].validate_python(raw)
    except ValidationError as error:
        text = error.errors()[0]["msg"].removeprefix("Value error, ")
        reading.problem(at, f"{measure} is a {unit}: {text}")
        return None
