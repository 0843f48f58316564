"""What every plug-in promises, over the folders: a new file is tested before its author writes a test."""

from __future__ import annotations

import inspect
import json
from dataclasses import FrozenInstanceError, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from lab import catalog
from lab.model.scenario import EvidenceUse, FaultUse, FixUse, Scenario
from lab.model.stack import Gauge, Quantity
from lab.plan import OWN, PROBLEM, problem_module
from lab.scenario.reading import keys_of
from lab.stacks.containers import Containers
from lab.stacks.embedded import Embedded

KINDS = catalog.kinds()
PLUGINS = {
    f"{folder}/{kind}": plugin
    for folder, known in (("faults", KINDS.faults), ("fixes", KINDS.fixes), ("probes", KINDS.probes))
    for kind, plugin in known.items()
}
SCENARIOS = [catalog.load_scenario(path) for path in sorted(catalog.scenario_folder().rglob("*.yaml"))]
CAPABILITIES = OWN | Embedded.offers | Containers.offers


def used(scenario: Scenario) -> list[Any]:
    """Every plug-in of a scenario with its parameters."""
    params = [fault.params for fault in scenario.faults]
    params += [fix.params for fix in scenario.fixes.values()]
    return params + [seen.params for seen in scenario.evidence]


def own_keys(use: type[Any]) -> set[str]:
    return {field.name for field in fields(use)}


every_plugin = pytest.mark.parametrize("plugin", PLUGINS.values(), ids=list(PLUGINS))


@every_plugin
def test_it_is_documented_by_its_class_and_its_file(plugin: type[Any]) -> None:
    module = inspect.getmodule(plugin)
    assert module is not None
    assert module.__doc__ and len(module.__doc__) > 40
    assert plugin.__doc__ and not plugin.__doc__.startswith(f"{plugin.__name__}(")
    for name, method in inspect.getmembers(plugin, inspect.isfunction):
        if not name.startswith("_") and method.__module__ == plugin.__module__:
            assert method.__doc__, name


@every_plugin
def test_it_is_a_frozen_dataclass_whose_fields_are_typed(plugin: type[Any]) -> None:
    assert is_dataclass(plugin)
    assert plugin.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert all(field.type not in (Any, "Any") for field in fields(plugin))


@every_plugin
def test_it_refuses_keys_that_it_does_not_know(plugin: type[Any]) -> None:
    with pytest.raises(ValidationError, match="no_such_key"):
        TypeAdapter(plugin).validate_python({"no_such_key": 1})


@every_plugin
def test_it_says_what_it_needs_of_a_stack(plugin: type[Any]) -> None:
    assert isinstance(plugin.needs, frozenset)
    assert plugin.needs <= CAPABILITIES


@pytest.mark.parametrize("kind", KINDS.faults)
def test_a_fault_can_be_injected_and_undone(kind: str) -> None:
    fault = KINDS.faults[kind]
    assert fault.event is None or fault.event.isidentifier()
    assert callable(fault.undo) and callable(fault.inject)
    assert not set(keys_of(fault)) & own_keys(FaultUse)


@pytest.mark.parametrize("kind", KINDS.fixes)
def test_a_fix_can_be_prepared_applied_and_faked(kind: str) -> None:
    fix = KINDS.fixes[kind]
    assert callable(fix.prepare) and callable(fix.apply) and callable(fix.placebo)
    assert kind not in own_keys(FixUse)
    assert keys_of(fix), "a fix has at least one key: its scalar form fills the first"


@pytest.mark.parametrize("kind", KINDS.probes)
def test_a_probe_counts_or_is_sampled_or_captures(kind: str) -> None:
    probe = KINDS.probes[kind]
    assert sum(kind in known for known in (KINDS.counters, KINDS.gauges, KINDS.evidence)) == 1
    if kind in KINDS.evidence:
        assert not set(keys_of(probe)) & (own_keys(EvidenceUse) - {"title"})
        return
    assert callable(probe.preflight) and set(keys_of(probe)) <= {"of"}
    if kind in KINDS.gauges:
        assert probe.gauges and all(isinstance(g, Gauge) and g.doc for g in probe.gauges.values())
        assert hash(probe()) == hash(probe())  # what several measures read is sampled once
        return
    assert probe.lag_s >= 0
    assert probe.quantities and all(isinstance(q, Quantity) and q.doc for q in probe.quantities.values())


def test_every_fix_is_shown_by_a_scenario() -> None:
    shown = {type(plugin) for scenario in SCENARIOS for plugin in used(scenario)}
    assert {*KINDS.fixes.values()} <= shown


def test_every_fault_is_tried_on_a_real_server() -> None:
    tried = {kind for path in Path(__file__).parent.glob("test_*faults*.py") for kind in _examples(path)}
    assert {*KINDS.faults.values()} <= tried


def _examples(path: Path) -> set[type[Any]]:
    return set(getattr(import_module(path.stem), "EXAMPLES", {}))


@pytest.mark.parametrize("kind", KINDS.faults)
def test_every_fault_is_documented_with_its_dose(kind: str) -> None:
    handbook = (Path(__file__).parents[2] / "docs" / "faults.md").read_text()
    assert f"`{kind}`" in handbook


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.slug)
def test_a_scenario_is_complete(scenario: Scenario) -> None:
    prose = scenario.prose
    for text in (prose.problem, prose.symptom, prose.diagnosis, prose.cause):
        assert len(text.split()) >= 15 and text.endswith(".")
    assert scenario.documented, "a scenario measures at least one fix"
    for fix in scenario.fixes.values():
        assert len(fix.why.split()) >= 15 and len(fix.costs.split()) >= 10
    assert scenario.evidence and all(seen.title for seen in scenario.evidence)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.slug)
def test_each_code_fix_stands_beside_the_problem_in_the_app(scenario: Scenario) -> None:
    module = problem_module(scenario)
    for fix in scenario.fixes.values():
        if fix.kind == "code":
            differs = catalog.code_difference(scenario.stack.app, module, PROBLEM, fix.params.variant)
            assert bool(differs) == (fix.params.variant != PROBLEM)  # which a control has on purpose
            assert scenario.healthy.code != fix.params.variant or scenario.slug in catalog.control_names()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.slug)
def test_parameters_are_plain_data(scenario: Scenario) -> None:
    for plugin in used(scenario):
        kind = type(plugin)
        as_data = TypeAdapter(kind).dump_python(plugin, by_alias=True)
        assert json.loads(json.dumps(as_data)) == TypeAdapter(kind).dump_python(
            plugin, mode="json", by_alias=True
        )
        if fields(plugin):
            with pytest.raises(FrozenInstanceError):
                setattr(plugin, fields(plugin)[0].name, None)
