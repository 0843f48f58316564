"""Mistakes in a scenario file: where they are, and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lab.errors import LabError

_MOST_SHOWN = 50


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake. ``line`` and ``col`` count from 1."""

    line: int
    col: int
    message: str


@dataclass
class ScenarioInvalid(LabError):
    """A scenario file with mistakes, all of them at once in the order of the file."""

    path: str = ""
    problems: list[Problem] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{self.path}:{p.line}:{p.col}: {p.message}" for p in self.problems[:_MOST_SHOWN]]
        if len(self.problems) > _MOST_SHOWN:
            lines.append(f"{self.path}: and {len(self.problems) - _MOST_SHOWN} more")
        return "\n".join([*lines, f"  do:  {self.do}"])


def invalid(path: str, problems: Iterable[Problem]) -> ScenarioInvalid:
    """The error that holds these problems (at least one), each once, sorted by place."""
    found = sorted(set(problems))
    count = "1 mistake" if len(found) == 1 else f"{len(found)} mistakes"
    return ScenarioInvalid(
        what=f"{path} has {count}",
        where=f"{path}:{found[0].line}:{found[0].col}",
        why=found[0].message,
        do="correct the file, then `lab check` it",
        path=path,
        problems=found,
    )


def unknown(what: str, name: object, known: Iterable[str]) -> str:
    """``unknown key 'rtae': did you mean 'rate'? (known: ...)``."""
    names = list(known)
    near = difflib.get_close_matches(str(name).lower(), names, n=1)
    hint = f": did you mean {near[0]!r}?" if near else ""
    shown = ", ".join(sorted(names)) or "none"
    return f"unknown {what} {name!r}{hint} (known: {shown})"


def kind_of(value: object) -> str:
    """What a value is, in words for people: ``5 (a number)``."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"{str(value).lower()} (a yes or no)"
        case int() | float():
            return f"{value} (a number)"
        case str():
            return f"{value!r} (text)" if len(value) <= 60 else f"{value[:57]!r}… (text)"
        case Mapping():
            return "keys and values"
        case Sequence():
            return "a list"
        case _:
            return type(value).__name__
