"""From the bytes of a file to plain values with the place of each. Pure.

The text is read as YAML 1.2 by its own small rules for scalars, so that no directive and no version of a
library changes what ``on`` or ``012`` means. What a scenario never needs is refused: anchors and aliases
(bombs), tags, several documents, depth.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml import events as yaml
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from lab.scenario.problems import Problem, invalid

LONGEST_BYTES = 1_000_000
DEEPEST = 20
MOST_VALUES = 20_000

Path = tuple[str | int, ...]
Place = tuple[int, int]

_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_CONSTANTS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_BOOLEAN_ELSEWHERE = frozenset({"on", "off", "yes", "no", "y", "n"})


@dataclass
class Tree:
    """Plain values, and where each key and value stands, by path from the root."""

    value: Any = None
    values_at: dict[Path, Place] = field(default_factory=dict)
    keys_at: dict[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Line and column of a key or value, or of the nearest thing around it."""
        if key and path in self.keys_at:
            return self.keys_at[path]
        while path and path not in self.values_at:
            path = path[:-1]
        return self.values_at.get(path, (1, 1))

    def at(self, path: Path) -> Any:
        """The value at a path; None where there is none."""
        value = self.value
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value


def read(content: str | bytes, path: str) -> Tree:
    """Read one YAML document. Raises ScenarioInvalid where nothing can be read at all.

    Duplicate keys, aliases, tags and the like are left in ``problems`` beside whatever could be read.
    """
    text = _text(content, path)
    reader = _Reader()
    try:
        reader.document(YAML(typ="safe", pure=True).parse(text))
    except MarkedYAMLError as error:
        raise invalid(path, [*reader.tree.problems, _syntax(error)]) from error
    except YAMLError as error:
        raise invalid(path, [*reader.tree.problems, Problem(1, 1, f"not YAML: {error}")]) from error
    except _HopelessError as error:
        raise invalid(path, [*reader.tree.problems, error.problem]) from None
    if not isinstance(reader.tree.value, dict):
        line, col = reader.tree.place(())
        what = "the file is empty" if reader.tree.value is None else "expected keys and values"
        raise invalid(path, [*reader.tree.problems, Problem(line, col, f"{what}: {_START}")])
    return reader.tree


_START = "a scenario begins with a line such as `title: A hot key expires`"


def _text(content: str | bytes, path: str) -> str:
    size = len(content)
    if size > LONGEST_BYTES:
        message = f"the file is longer than {LONGEST_BYTES:,} bytes: a scenario is a page of text, not data"
        raise invalid(path, [Problem(1, 1, message)])
    if isinstance(content, bytes):
        content = _decoded(content, path)
    for n, character in enumerate(content):
        if not (
            character.isprintable() or character in "\t\n\r\x85\xa0\u2028\u2029\ufeff" or character >= "\xa0"
        ):
            line, col = content.count("\n", 0, n) + 1, n - content.rfind("\n", 0, n)
            message = f"a control character (code {ord(character)}): this is not a text file"
            raise invalid(path, [Problem(line, col, message)])
    return content


def _decoded(content: bytes, path: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise invalid(path, [_undecodable(content, error)]) from None


def _undecodable(content: bytes, error: UnicodeDecodeError) -> Problem:
    before = content[: error.start]
    line, col = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
    return Problem(line, col, f"byte 0x{content[error.start]:02x} is not UTF-8: save the file as UTF-8 text")


def _syntax(error: MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, col = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    context = f" ({error.context})" if error.context else ""
    return Problem(line, col, f"not YAML: {error.problem or 'cannot be read'}{context}")


@dataclass
class _HopelessError(Exception):
    problem: Problem


@dataclass
class _Reader:
    tree: Tree = field(default_factory=Tree)
    count: int = 0

    def document(self, events: Iterator[Any]) -> None:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._start(event)
            elif isinstance(event, yaml.NodeEvent):
                self.tree.value = self._value(event, events, ())

    def _start(self, event: Any) -> None:
        if event.version or event.tags:
            self._problem(event, "no %YAML or %TAG line: a scenario is YAML 1.2")
        if self.count:
            raise _HopelessError(Problem(*_place(event), "a second document: one file holds one scenario"))

    def _value(self, event: Any, events: Iterator[Any], path: Path) -> Any:
        self.count += 1
        if self.count > MOST_VALUES:
            message = f"more than {MOST_VALUES:,} values: a scenario is a page of text, not data"
            raise _HopelessError(Problem(*_place(event), message))
        if len(path) > DEEPEST:
            raise _HopelessError(Problem(*_place(event), f"nested more than {DEEPEST} levels deep"))
        self.tree.values_at[path] = _place(event)
        self._refuse(event)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, path)
        return None if isinstance(event, yaml.AliasEvent) else self._scalar(event)

    def _refuse(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._problem(event, f"no aliases: write the value out instead of *{event.anchor}")
        elif event.anchor:
            self._problem(event, f"no anchors: remove &{event.anchor}")
        if getattr(event, "tag", None) not in (None, "!"):
            self._problem(event, f"no tags: remove {event.tag}")

    def _sequence(self, events: Iterator[Any], path: Path) -> list[Any]:
        found: list[Any] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            found.append(self._value(event, events, (*path, len(found))))
        return found

    def _mapping(self, events: Iterator[Any], path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._key(event, events, path, found)
            # The value of a refused key is read too (under a path of its own), for the mistakes inside.
            where = (*path, key if key is not None else f"\0{self.count}")
            content = next(events)
            value = self._value(content, events, where)
            if key is not None:
                found[key] = value
                if content.start_mark.index == content.end_mark.index:  # nothing is written there
                    self.tree.values_at[where] = self.tree.keys_at[where]
        return found

    def _key(self, event: Any, events: Iterator[Any], path: Path, found: Mapping[str, Any]) -> str | None:
        if not isinstance(event, yaml.ScalarEvent):
            self._value(event, events, (*path, f"\0{self.count}"))
            self._problem(event, "a key is one word, not a list, a mapping or an alias")
            return None
        self._refuse(event)
        plain = event.style is None
        text = str(event.value)
        if plain and text.lower() in _BOOLEAN_ELSEWHERE:
            self._problem(event, f"never name a key {text!r}: much software reads it as true or false")
        elif plain and not isinstance(self._scalar(event), str):
            self._problem(event, f"a key is text: {text!r} is not")
        elif text in found:
            line, _ = self.tree.keys_at[(*path, text)]
            self._problem(event, f"duplicate key {text!r}: first given in line {line}")
        else:
            self.tree.keys_at[(*path, text)] = _place(event)
            return text
        return None

    def _scalar(self, event: Any) -> Any:
        text = str(event.value)
        if event.style is not None or not event.implicit[0]:
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if len(text) > 40:
            return text  # prose, or a number that nobody means
        if _INTEGER.fullmatch(text):
            return int(text)
        if _NOT_FINITE.fullmatch(text):
            self._problem(event, f"{text} is not a number that can be measured")
            return None
        return _float(text) if _FLOAT.fullmatch(text) else text

    def _problem(self, event: Any, message: str) -> None:
        self.tree.problems.append(Problem(*_place(event), message))


def _float(text: str) -> float | str:
    number = float(text)
    return number if abs(number) < 1e300 else text


def _place(event: Any) -> Place:
    return event.start_mark.line + 1, event.start_mark.column + 1
