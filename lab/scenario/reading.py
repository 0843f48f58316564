"""Building typed values from a tree, with every mistake noted at its place. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from lab.scenario.problems import Problem, kind_of, unknown
from lab.scenario.tree import Path, Tree

T = TypeVar("T")


@dataclass(frozen=True)
class Placed(Generic[T]):
    """A typed value and the path at which it stands in the file."""

    at: Path
    value: T


@dataclass
class Reading:
    """A tree on its way to a scenario. Nothing raises: what is wrong is noted and comes back as None."""

    tree: Tree
    problems: list[Problem] = field(default_factory=list)

    def problem(self, at: Path, message: str, *, key: bool = False) -> None:
        """Note a mistake at a value, or at its key."""
        self.problems.append(Problem(*self.tree.place(at, key=key), message))

    def has(self, at: Path) -> bool:
        return at in self.tree.keys_at

    def mapping(self, at: Path, known: Iterable[str] | None = None) -> dict[str, Any] | None:
        """The keys and values at a path; unknown keys are noted and left out. None where it is no mapping."""
        value = self.tree.at(at)
        if not isinstance(value, dict):
            absent = at and isinstance(at[-1], str) and not self.has(at)
            got = f"missing key {at[-1]!r}" if absent else f"expected keys and values, got {kind_of(value)}"
            self.problem(at, got)
            return None
        if known is None:
            return dict(value)
        names = list(known)
        for key in value:
            if key not in names:
                self.problem((*at, key), unknown("key", key, names), key=True)
        return {key: entry for key, entry in value.items() if key in names}

    def each(self, at: Path, read: Callable[[Path], T | None], *, needed: str = "") -> list[Placed[T]]:
        """Read every element of the list at a path; ``needed`` asks for at least one and says why."""
        value = self.tree.at(at)
        if value is None and not (needed and self.has(at)):
            if needed:
                self.problem(at, f"missing key {at[-1]!r}: {needed}")
            return []
        if not isinstance(value, list):
            self.problem(at, f"expected a list, got {kind_of(value)}")
            return []
        if needed and not value:
            self.problem(at, f"the list is empty: {needed}")
        return self.all([(*at, n) for n in range(len(value))], read)

    def all(self, places: Iterable[Path], read: Callable[[Path], T | None]) -> list[Placed[T]]:
        """What can be read at these places, each with its place."""
        found = ((at, read(at)) for at in places)
        return [Placed(at, one) for at, one in found if one is not None]

    def build(self, kind: type[T], at: Path, values: Mapping[str, Any]) -> T | None:
        """An instance of a dataclass from plain values that stand at ``at``; None after noting mistakes."""
        try:
            # Strict JSON: lists become tuples, but "yes" is no boolean and "5" no number.
            return adapter(kind).validate_json(json.dumps(values), strict=True)
        except ValidationError as error:
            for details in error.errors(include_url=False):
                self._note(kind, at, details)
            return None

    def _note(self, kind: type[Any], at: Path, details: ErrorDetails) -> None:
        loc = tuple(details["loc"])
        match details["type"]:
            case "unexpected_keyword_argument":
                message = unknown("key", loc[-1], keys_at(kind, loc[:-1]))
                self.problem((*at, *loc), message, key=True)
            case "missing" if isinstance(loc[-1], str):
                self.problem((*at, *loc), f"missing key {loc[-1]!r}")
            case _:
                self.problem((*at, *loc), _message(details))


def _message(details: ErrorDetails) -> str:
    got = kind_of(details.get("input"))
    context = details.get("ctx", {})
    match details["type"]:
        case "string_type":
            hint = ": put it in quotes" if isinstance(details.get("input"), int | float) else ""
            return f"expected text, got {got}{hint}"
        case "bool_type":
            return f"expected true or false, got {got}"
        case "int_type" | "int_from_float" | "int_parsing":
            return f"expected a whole number, got {got}"
        case "float_type" | "float_parsing":
            return f"expected a number, got {got}"
        case "literal_error" | "enum":
            return f"expected {context.get('expected')}, got {got}"
        case "tuple_type" | "list_type":
            return f"expected a list, got {got}"
        case "dict_type" | "mapping_type" | "dataclass_type" | "dataclass_exact_type":
            return f"expected keys and values, got {got}"
        case "missing" | "too_long" | "too_short":
            return f"wrong length of the list: {details['msg'][:1].lower()}{details['msg'][1:]}"
        case _:
            text = details["msg"].removeprefix("Value error, ")
            return text[:1].lower() + text[1:]


def amended(instance: T, **changes: object) -> T:
    """A copy of a typed value with other fields.

    Not ``dataclasses.replace``: that would validate again, and quantities demand their written form.
    """
    changed = copy(instance)
    for name, value in changes.items():
        object.__setattr__(changed, name, value)
    return changed


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}
_SCHEMAS: dict[type[Any], dict[str, Any]] = {}


def adapter(kind: type[T]) -> TypeAdapter[T]:
    """The validator of a type, made once."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def schema_of(kind: type[Any]) -> dict[str, Any]:
    """The JSON Schema of a type, made once. Do not change it."""
    if kind not in _SCHEMAS:
        _SCHEMAS[kind] = adapter(kind).json_schema()
    return _SCHEMAS[kind]


def keys_of(kind: type[Any]) -> tuple[str, ...]:
    """The YAML keys of a dataclass in their order (aliases, where a field has one)."""
    return tuple(schema_of(kind).get("properties", {}))


def keys_at(kind: type[Any], loc: Path) -> tuple[str, ...]:
    """The YAML keys that are known at a place inside of a dataclass."""
    root = schema_of(kind)
    here: Mapping[str, Any] = root
    for step in loc:
        here = _resolved(root, here)
        here = _inside(here, step)
    return tuple(_resolved(root, here).get("properties", {}))


def _inside(here: Mapping[str, Any], step: str | int) -> Mapping[str, Any]:
    """The schema of an element, of a key's value, or of any value where the keys are free."""
    free = here.get("additionalProperties")
    found: Mapping[str, Any] = (
        here.get("items", {})
        if isinstance(step, int)
        else here.get("properties", {}).get(step, free if isinstance(free, dict) else {})
    )
    return found


def _resolved(root: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    name = str(node.get("$ref", "")).removeprefix("#/$defs/")
    found: Mapping[str, Any] = root["$defs"][name] if name else node
    return found
