"""What ``healthy:`` may say: one of two words, other code, or other requests. Pure."""

from __future__ import annotations

from typing import Literal, cast

from lab.model.scenario import Healthy
from lab.scenario.parts import Parts
from lab.scenario.problems import unknown
from lab.scenario.reading import Reading
from lab.scenario.tree import Path

HEALTHY_REQUESTS: Path = ("healthy", "load", "requests")
_AT: Path = ("healthy",)
_WORDS = ("fault-off", "limit")
_KEYS = ("code", "load")


def healthy(reading: Reading) -> Healthy:
    """``fault-off``, ``limit``, ``{code: reference}`` or ``{load: {requests: [...]}}``, these without the requests."""
    value = reading.tree.at(_AT) if reading.has(_AT) else "fault-off"
    if isinstance(value, dict):
        return _otherwise(reading)
    if value not in _WORDS:
        reading.problem(_AT, unknown("value", value, (*_WORDS, *_KEYS)))
        return Healthy()
    return Healthy(by=cast(Literal["fault-off", "limit"], value))


def _otherwise(reading: Reading) -> Healthy:
    named = reading.mapping(_AT, _KEYS) or {}
    if len(named) != 1:
        here = " and ".join(named) or "none"
        reading.problem(_AT, f"healthy is a word, or has exactly one of the keys code, load: here {here}")
        return Healthy()
    if "load" in named:
        reading.mapping((*_AT, "load"), ("requests",))
        return Healthy(by="load")
    if not isinstance(named["code"], str) or not named["code"].isidentifier():
        reading.problem((*_AT, "code"), "name a variant of the scenario's module, for example reference")
        return Healthy()
    return Healthy(by="code", code=named["code"])


def check_healthy(reading: Reading, parts: Parts) -> None:
    """Note what leaves nothing to compare the problem with."""
    by = parts.healthy.by
    if by == "fault-off" and (not reading.has(("faults",)) or reading.tree.at(("faults",)) == []):
        at: Path = _AT if reading.has(_AT) else ()
        message = "without a fault nothing can be switched off: say what healthy is by limit, code or load"
        reading.problem(at, message)
    if by == "limit":
        for symptom in parts.symptoms:
            if not reading.has((*symptom.at, "limit")):
                message = "missing key 'limit': without a healthy arm the limit alone decides"
                reading.problem(symptom.at, message)
    if by == "load":
        _same_names(reading, parts)


def _same_names(reading: Reading, parts: Parts) -> None:
    """What is measured of a request has to be there when all is well."""
    if reading.has(("load", "locustfile")):
        reading.problem((*_AT, "load"), "the load is a locustfile's: it has no requests to replace", key=True)
    names = {one.value.name for one in parts.healthy_requests}
    asked = {one.value.name for one in parts.requests}
    for placed in parts.measures:
        of = placed.value.of
        if of in asked and of not in names:
            reading.problem((*placed.at, "of"), f"healthy is asked no {of}: name one of its requests so")
