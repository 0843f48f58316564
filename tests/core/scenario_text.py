"""A small valid scenario to damage, and what the parser says of the damage."""

from __future__ import annotations

import pytest

from lab.catalog import kinds
from lab.scenario import Problem, ScenarioInvalid, parse

PROSE = "".join(f"{key}: words\n" for key in ("title", "guide", "problem", "symptom", "diagnosis", "cause"))
LOAD = "load: {rate: 100/s, block: 1s, requests: [{name: home, get: /}]}\n"
FAULTS = "faults: [{kind: kill, service: redis}]\n"
SYMPTOMS = "symptoms: [{name: failed, measure: errors.share, limit: 1%}]\n"
FIXES = "fixes: {better: {documented: true, why: words, code: better}}\n"
WHOLE = PROSE + LOAD + FAULTS + SYMPTOMS + FIXES


def problems(text: str | bytes) -> list[Problem]:
    with pytest.raises(ScenarioInvalid) as caught:
        parse(text, kinds(), "bad.yaml")
    found = caught.value.problems
    assert found == sorted(found)
    assert str(caught.value).startswith(f"bad.yaml:{found[0].line}:{found[0].col}: {found[0].message}")
    return found


def only(text: str | bytes) -> Problem:
    found = problems(text)
    assert len(found) == 1, found
    return found[0]
