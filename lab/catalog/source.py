"""Reading the app's source without importing it: the code of a variant, and the labels of its statements."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from lab.errors import LabError

_LABEL = re.compile(r"/\* ([a-z][a-z0-9_]*) \*/")


@dataclass(frozen=True)
class Piece:
    """A definition at the top level of a module: its source, and the names that it mentions."""

    name: str
    source: str
    mentions: frozenset[str]
    callable: bool


def code_of(app: str, module: str, variant: str) -> str:
    """The source of the function or class ``variant`` in ``app/problems/module.py``.

    Raises LabError where there is no such app, module or variant.
    """
    path = _module(app, module)
    return _variant(_pieces(path), path, variant).source


def code_difference(app: str, module: str, a: str, b: str) -> str:
    """A unified difference between two variants of a problem module, "" where they are the same.

    Each side is the variant with the pieces of the module that only it uses: what both share is not the
    difference. Raises LabError as :func:`code_of` does.
    """
    path = _module(app, module)
    pieces = _pieces(path)
    uses_a, uses_b = _uses(pieces, path, a), _uses(pieces, path, b)
    lines = difflib.unified_diff(
        _text(pieces, a, uses_a - uses_b),
        _text(pieces, b, uses_b - uses_a),
        fromfile=f"problems/{module}.py: {a}",
        tofile=f"problems/{module}.py: {b}",
        n=10,
    )
    return "".join(lines)


def _text(pieces: Mapping[str, Piece], variant: str, own: set[str]) -> list[str]:
    chosen = [variant, *(name for name in pieces if name in own and name != variant)]
    return "\n\n".join(pieces[name].source for name in chosen).splitlines(keepends=True)


def _uses(pieces: Mapping[str, Piece], path: Path, variant: str) -> set[str]:
    """The variant and everything of the module that it needs, directly or not."""
    found: set[str] = set()
    waiting = [_variant(pieces, path, variant).name]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += pieces[name].mentions & pieces.keys()
    return found


def _variant(pieces: Mapping[str, Piece], path: Path, variant: str) -> Piece:
    if variant not in pieces or not pieces[variant].callable:
        public = [
            piece.name for piece in pieces.values() if piece.callable and not piece.name.startswith("_")
        ]
        raise LabError(
            f"{path.stem} has no variant {variant!r}",
            where=str(path),
            why=f"it has {', '.join(public)}",
            do="name one of them",
        )
    return pieces[variant]


def _module(app: str, module: str) -> Path:
    path = _package(app) / "problems" / f"{module}.py"
    if not path.is_file():
        raise LabError(
            f"{app} has no problem module {module}",
            where=str(path),
            why="a scenario with code fixes needs the module of its own name",
            do=f"write {app}/problems/{module}.py",
        )
    return path


def _pieces(path: Path) -> Mapping[str, Piece]:
    """Functions, classes and constants of a module by name, in their order."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    found = {}
    for node in _parsed(text, path).body:
        for name in _defines(node):
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            found[name] = Piece(
                name=name,
                source="\n".join(lines[first - 1 : node.end_lineno]) + "\n",
                mentions=frozenset(n.id for n in ast.walk(node) if isinstance(n, ast.Name)),
                callable=isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef),
            )
    return found


def _defines(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case _:
            return []


@lru_cache(maxsize=8)
def labels_of(app: str) -> frozenset[str]:
    """Labels that the app's SQL statements carry, as ``/* ranking */``; empty for an app that is not here."""
    try:
        folder = _package(app)
    except LabError:
        return frozenset()
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        found.update(_LABEL.findall(path.read_text(encoding="utf-8", errors="replace")))
    return frozenset(found)


def _parsed(text: str, path: Path) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError as error:
        where = f"{path}:{error.lineno}:{error.offset}"
        raise LabError(
            "the problem module is not Python", where=where, why=str(error.msg), do="correct it"
        ) from error


def _package(app: str) -> Path:
    # find_spec of a top-level name imports nothing; of "app.problems" it would import the app.
    spec = find_spec(app) if app.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise LabError(
            f"there is no app {app!r}",
            where="stack.app",
            why="no installed package has this name",
            do="name an importable package, for example sample_app",
        )
    return Path(next(iter(spec.submodule_search_locations)))
