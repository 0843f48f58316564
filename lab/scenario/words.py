"""A fault or a probe in the words of a command line: ``redis pause``, ``kill service=app``. Pure.

The values are read as in a scenario file, by the same rules and with the same mistakes.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from lab.errors import LabError
from lab.scenario.problems import Problem, ScenarioInvalid, unknown
from lab.scenario.reading import Reading, keys_of
from lab.scenario.tree import Tree, read

_NOT_TEXT = re.compile(r"[-+]?\.?(\d[\d.eE+-]*|inf|nan)|true|false|null|~|[\[{\"'].*", re.IGNORECASE)
_KEY = re.compile(r"[A-Za-z_][\w-]*")


def from_words(what: str, words: Sequence[str], known: Mapping[str, type[Any]]) -> tuple[str, Any]:
    """The kind that the words name, and an instance of its class.

    One word is the kind, before or after it may stand the value of its first key and the service that it
    needs, and the others are ``key=value``. ``what`` says what the kinds are. LabError with every mistake.
    """
    bare = [word for word in words if "=" not in word]
    kind = next((word for word in bare if word in known), None)
    if kind is None:
        raise _unknown_kind(what, bare, known)
    bare.remove(kind)
    values = _pairs(what, kind, [word for word in words if "=" in word])
    keys = keys_of(known[kind])
    if "service" not in keys:  # then it acts on one and the same, which people like to name all the same
        bare = [word for word in bare if word not in known[kind].needs]
    if bare:
        if len(bare) > 1 or not keys or keys[0] in values:
            raise _wrong(what, kind, [f"what is {bare[-1]!r}? write KEY=VALUE"])
        values = {keys[0]: bare[0], **values}
    return kind, _built(what, kind, values, known[kind])


def _pairs(what: str, kind: str, words: Sequence[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for word in words:
        key, _, text = word.partition("=")
        if not _KEY.fullmatch(key):
            raise _wrong(what, kind, [f"{word!r} is not KEY=VALUE"])
        if key in values:
            raise _wrong(what, kind, [f"{key} is given twice"])
        values[key] = text
    return values


def _built(what: str, kind: str, values: Mapping[str, str], of: type[Any]) -> Any:
    # One key a line, so that the line of a problem tells which word it is about.
    text = "\n".join(f"{json.dumps(key)}: {_written(value)}" for key, value in values.items())
    try:
        tree = read(text, what) if values else Tree(value={})
        reading = Reading(tree, tree.problems)
        built = reading.build(of, (), reading.mapping((), keys_of(of)) or {})
        problems = reading.problems
    except ScenarioInvalid as error:
        built, problems = None, error.problems
    if problems or built is None:
        names = list(values)
        raise _wrong(what, kind, [_said(problem, names) for problem in problems])
    return built


def _written(value: str) -> str:
    """A value as YAML: what reads as a number, a constant, a list or a quoted text there, does here."""
    if _NOT_TEXT.fullmatch(value) and value.isprintable():
        return value
    return json.dumps(value, ensure_ascii=False)


def _said(problem: Problem, names: Sequence[str]) -> str:
    at_a_value = problem.col > 1 and problem.line <= len(names)
    return f"{names[problem.line - 1]}: {problem.message}" if at_a_value else problem.message


def _unknown_kind(what: str, bare: Sequence[str], known: Mapping[str, type[Any]]) -> LabError:
    do = f"lab list {what}s"
    if not bare:
        return LabError(f"which {what}?", why=f"there is {', '.join(sorted(known))}", do=do)
    meant = next((word for word in bare if difflib.get_close_matches(word, known)), bare[-1])
    return LabError(f"there is no {what} {meant!r}", why=unknown(what, meant, known), do=do)


def _wrong(what: str, kind: str, messages: Sequence[str]) -> LabError:
    return LabError(
        f"this {what} cannot be read",
        where=kind,
        why="\n       ".join(dict.fromkeys(messages)),
        do=f"lab show {kind}",
    )
