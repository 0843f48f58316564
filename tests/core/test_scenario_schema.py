"""The schema for editors accepts what the parser accepts, and refuses the mistakes that editors can show."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from lab.catalog import kinds, scenario_folder
from lab.scenario import json_schema

SHIPPED = sorted(scenario_folder().rglob("*.yaml"))


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json_schema(kinds())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def loaded(path: Any) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_scenario_fits(path: Any, validator: Draft202012Validator) -> None:
    assert [error.message for error in validator.iter_errors(loaded(path))] == []


@pytest.mark.parametrize(
    "change",
    [
        {"giude": "words"},
        {"title": 5},
        {"healthy": "maybe"},
        {"load": {"rate": 100, "block": "1s", "requests": [{"name": "a", "get": "/"}]}},
        {"load": {"rate": "100/s", "block": "1s", "requests": [{"name": "a"}]}},
        {"faults": [{"kind": "kil", "service": "redis"}]},
        {"faults": [{"kind": "kill", "service": "redis", "key": "a"}]},
        {"symptoms": []},
        {"symptoms": [{"name": "a", "measure": "errors.shar"}]},
        {"fixes": {"a": {"documented": True, "why": "words"}}},
        {
            "fixes": {
                "a": {"documented": True, "why": "words", "code": "a", "sql": {"run": "", "placebo": ""}}
            }
        },
        {"evidence": [{"kind": "explain"}]},
        {"strict": "very"},
    ],
)
def test_a_mistake_does_not_fit(change: dict[str, Any], validator: Draft202012Validator) -> None:
    assert not validator.is_valid({**loaded(SHIPPED[0]), **change})


def test_it_is_plain_json_with_the_words_of_each_kind() -> None:
    text = json.dumps(json_schema(kinds()))
    for plugin in (*kinds().faults.values(), *kinds().fixes.values(), *kinds().evidence.values()):
        assert json.dumps((plugin.__doc__ or "").strip().partition("\n")[0])[1:-1] in text
