"""Whether the requests of a scenario observe what its measures are made of. Pure."""

from __future__ import annotations

from lab.model.measures import SAMPLES
from lab.model.scenario import Measure, Request
from lab.scenario.parts import Parts
from lab.scenario.reading import Placed, Reading


def check_observed(reading: Reading, parts: Parts, placed: Placed[Measure]) -> None:
    """Note a measure of answers of which the requests observe nothing, and a count of instances that is none."""
    at, measure = placed.at, placed.value
    observes = SAMPLES[measure.measure].observes if measure.measure in SAMPLES else "nothing"
    _among(reading, placed, needed=observes == "backend")
    if observes == "nothing":
        return
    if reading.has(("load", "locustfile")):
        message = f"{measure.measure} needs requests that observe: what a locustfile asks is not looked into"
        reading.problem((*at, "measure"), message)
    elif _complete(reading, parts):
        requests = [one.value for one in parts.requests]
        missing = _backend(requests, measure) if observes == "backend" else _version(requests, measure)
        if missing:
            reading.problem((*at, "measure"), f"{measure.measure} needs {missing}")


def _among(reading: Reading, placed: Placed[Measure], *, needed: bool) -> None:
    at, measure = placed.at, placed.value
    if not needed and measure.among is not None:
        reading.problem((*at, "among"), f"{measure.measure} is not of instances: leave out", key=True)
    if needed and measure.among is None:
        reading.problem(at, f"missing key 'among': {measure.measure} needs a number of instances")
    elif needed and measure.among is not None and measure.among < 2:
        reading.problem((*at, "among"), "a balance is among 2 instances or more")


def _complete(reading: Reading, parts: Parts) -> bool:
    """Whether every request could be read: else what is missing may stand in one of the others."""
    written = reading.tree.at(("load", "requests"))
    return isinstance(written, list) and len(written) == len(parts.requests)


def _backend(requests: list[Request], measure: Measure) -> str:
    asked = [one for one in requests if measure.of in (None, one.name)]
    named = any(one.observe.backend for one in asked)
    return "" if named else "a request with observe: {backend: HEADER}, for example X-Served-By"


def _version(requests: list[Request], measure: Measure) -> str:
    known = [one for one in requests if one.observe.version]
    if not any(one.observe.writes for one in known):
        return "a request with observe: {version: FIELD, writes: true}: it acknowledges versions"
    if not any(not one.observe.writes and measure.of in (None, one.name) for one in known):
        return "a request with observe: {version: FIELD} that does not write: it is a read"
    if len({bool(one.observe.key) for one in known}) > 1:
        return (
            "a key in each request that observes a version, or in none: else they are about different things"
        )
    return ""
