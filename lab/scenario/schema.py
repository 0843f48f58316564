"""JSON Schema (2020-12) of scenario files for editors, from the same types that the parser builds. Pure."""

from __future__ import annotations

from typing import Any

from lab.model.kinds import Kinds
from lab.model.measures import described
from lab.model.scenario import (
    METHODS,
    Closing,
    EvidenceUse,
    FaultUse,
    FixUse,
    Load,
    Measure,
    Prose,
    Request,
    StackNeeds,
    Stop,
)
from lab.scenario.reading import schema_of

Schema = dict[str, Any]


def json_schema(kinds: Kinds) -> Schema:
    """The schema of a scenario file in which these kinds may be used."""
    prose = _plain(schema_of(Prose))
    measure = _measure(kinds)
    properties = {
        **prose["properties"],
        "stack": _plain(schema_of(StackNeeds)),
        "healthy": _healthy(),
        "load": _load(),
        "faults": {"type": "array", "items": _any_use(FaultUse, dict(kinds.faults))},
        "symptoms": {"type": "array", "items": measure, "minItems": 1},
        "guardrails": {"type": "array", "items": measure},
        "fixes": {"type": "object", "additionalProperties": _fix(kinds)},
        "evidence": {"type": "array", "items": _any_use(EvidenceUse, dict(kinds.evidence))},
        "closing": _plain(schema_of(Closing)),
        "strict": {"type": "boolean", "default": False},
        "stop": _plain(schema_of(Stop)),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A scenario of incident-lab",
        "type": "object",
        "properties": properties,
        "required": [*prose["required"], "load", "symptoms"],
        "additionalProperties": False,
    }


def _healthy() -> Schema:
    requests = {"type": "array", "items": _request(), "minItems": 1}
    return {
        "default": "fault-off",
        "oneOf": [
            {"enum": ["fault-off", "limit"]},
            _object(code={"type": "string"}),
            _object(load=_object(requests=requests)),
        ],
    }


def _object(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _load() -> Schema:
    load = _plain(schema_of(Load))
    properties = load["properties"]
    del properties["rate"]["default"]  # what it is with stages or users, nobody writes
    properties["requests"] = {"type": "array", "items": _request(), "minItems": 1}
    properties["stages"]["minItems"] = 1
    properties["users"] = {"type": "integer", "minimum": 1}
    load["allOf"] = [_one_of("rate", "stages", "users"), _one_of("requests", "locustfile")]
    load["dependentRequired"] = {"classes": ["locustfile"]}
    return load


def _request() -> Schema:
    request = _plain(schema_of(Request))
    values = request["properties"]["values"]["additionalProperties"]
    values |= _one_of("uniform", "zipf", "sequence")
    status = {"type": "integer", "minimum": 100, "maximum": 599}
    request["properties"]["expect"]["properties"]["status"]["items"] = status
    versioned = {key: ["version"] for key in ("key", "writes")}
    request["properties"]["observe"] |= {"minProperties": 1, "dependentRequired": versioned}
    return request | _one_of(*METHODS)


def _one_of(*keys: str) -> Schema:
    return {"oneOf": [{"required": [key]} for key in keys]}


def _measure(kinds: Kinds) -> Schema:
    measure, docs = _plain(schema_of(Measure)), described(kinds)
    bound = {"type": ["number", "string"], "examples": ["3%", "100ms", "50KB", 1]}
    measure["properties"] = measure["properties"] | {
        "measure": {"enum": list(docs), "description": "\n".join(f"{k}: {v}" for k, v in docs.items())},
        "limit": bound,
        "tolerance": bound,
        "among": {"type": "integer", "minimum": 2},
    }
    return measure


def _any_use(use: type[Any], known: dict[str, type[Any]]) -> Schema:
    """One of the kinds: its own keys and those of the use, told apart by ``kind``."""
    shell = _shell(use)
    return {"oneOf": [_one_use(shell, kind, plugin) for kind, plugin in sorted(known.items())]}


def _one_use(shell: Schema, kind: str, plugin: type[Any]) -> Schema:
    own = _plain(schema_of(plugin))
    return {
        "type": "object",
        "description": _first_line(plugin),
        "properties": {"kind": {"const": kind}, **shell["properties"], **own.get("properties", {})},
        "required": ["kind", *own.get("required", [])],
        "additionalProperties": False,
    }


def _fix(kinds: Kinds) -> Schema:
    shell = _shell(FixUse)
    state = shell["properties"]["expect"]
    shell["properties"]["expect"] = {"anyOf": [state["items"], state], "default": "resolved"}
    plugins = {kind: _fix_kind(plugin) for kind, plugin in sorted(kinds.fixes.items())}
    return {
        "type": "object",
        "properties": shell["properties"] | plugins,
        "required": shell["required"],
        "oneOf": [{"required": [kind]} for kind in plugins],
        "additionalProperties": False,
    }


def _fix_kind(plugin: type[Any]) -> Schema:
    """Keys and values, or only the value of the first key where no other is required."""
    own = _plain(schema_of(plugin)) | {"description": _first_line(plugin)}
    first, *_ = own["properties"].values()
    if len(own.get("required", [])) > 1:
        return own
    return {"description": own["description"], "anyOf": [first, own]}


def _shell(use: type[Any]) -> Schema:
    schema = _plain(schema_of(use))
    return {
        "properties": {k: v for k, v in schema["properties"].items() if k not in ("kind", "params")},
        "required": [k for k in schema.get("required", []) if k not in ("kind", "params")],
    }


def _plain(schema: Schema) -> Schema:
    """A schema with its references written out: the types of a scenario do not contain themselves."""
    definitions = schema.get("$defs", {})

    def resolved(node: Any) -> Any:
        if isinstance(node, list):
            return [resolved(one) for one in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return resolved(definitions[node["$ref"].removeprefix("#/$defs/")])
        return {key: resolved(value) for key, value in node.items() if key != "$defs"}

    found: Schema = resolved(schema)
    return found


def _first_line(plugin: type[Any]) -> str:
    return (plugin.__doc__ or "").strip().partition("\n")[0]
