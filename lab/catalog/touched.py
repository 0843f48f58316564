"""Which scenarios a change touches: by what they are made of, from the names of the files alone. And a few of many,
those first. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from hashlib import sha256
from pathlib import PurePosixPath

from lab.model.scenario import Scenario
from lab.plan import problem_module

_PLUGINS = ("faults", "fixes", "probes")
_SAID = ("README", "LICENSE", "CHANGELOG")
_BESIDE = ("docs", "tests", "benchmarks", "reports", ".ci", ".github")


def touched(scenarios: Sequence[Scenario], changed: Iterable[str]) -> tuple[str, ...]:
    """Names of the scenarios that changed files could turn otherwise, in the order given.

    ``changed`` are paths from the root of the checkout. What only one scenario is made of (its file, its
    module, a kind that it names) touches that one; what all are made of touches all; documents and tests
    touch none.
    """
    paths = [PurePosixPath(one) for one in changed]
    return tuple(one.slug for one in scenarios if any(_touches(path, one) for path in paths))


def a_few(names: Sequence[str], first: Collection[str], most: int, turn: str) -> tuple[str, ...]:
    """At most so many of the names, in the order given: those in ``first`` before all others.

    Who of equals comes in is drawn by ``turn`` alone: the same ones for the same turn, and all of them by turns.
    """
    drawn = sorted(names, key=lambda name: (name not in first, sha256(f"{turn} {name}".encode()).digest()))
    return tuple(name for name in names if name in drawn[:most])


def _touches(path: PurePosixPath, scenario: Scenario) -> bool:
    first, *rest = path.parts
    if first in _BESIDE or path.stem in _SAID or path.suffix == ".md":
        return False
    if first == "scenarios":
        return path.stem == scenario.slug
    if rest[:1] == ["problems"] and path.suffix == ".py" and path.stem != "__init__":
        return path.stem == problem_module(scenario)
    if first == "lab" and rest and rest[0] in _PLUGINS and not path.stem.startswith("_"):
        return path.stem.replace("_", "-") in _kinds(scenario)
    return True


def _kinds(scenario: Scenario) -> set[str]:
    """Every kind of plug-in that a scenario names."""
    measures = (*scenario.symptoms, *scenario.guardrails)
    named = [
        use.kind for uses in (scenario.faults, scenario.fixes.values(), scenario.evidence) for use in uses
    ]
    return {*named, *(one.measure.partition(".")[0] for one in measures)}
