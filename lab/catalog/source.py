"""Reading the app's source without importing it: the code of a variant, and the labels of its statements."""

from __future__ import annotations

import ast
import difflib
import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from lab.errors import LabError

_LABEL = re.compile(r"/\* ([a-z][a-z0-9_]*) \*/")
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def code_of(app: str, module: str, variant: str) -> str:
    """The source of the function or class ``variant`` in ``app/problems/module.py``.

    Raises LabError where there is no such app, module or variant.
    """
    path = _package(app) / "problems" / f"{module}.py"
    if not path.is_file():
        raise LabError(
            f"{app} has no problem module {module}",
            where=str(path),
            why="a scenario with code fixes needs the module of its own name",
            do=f"write {app}/problems/{module}.py",
        )
    text = path.read_text(encoding="utf-8")
    definitions = {node.name: node for node in ast.parse(text).body if isinstance(node, _Definition)}
    if variant not in definitions:
        raise LabError(
            f"{app}.problems.{module} has no variant {variant!r}",
            where=str(path),
            why=f"it has {', '.join(n for n in definitions if not n.startswith('_'))}",
            do="name one of them",
        )
    node = definitions[variant]
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return "\n".join(text.splitlines()[first - 1 : node.end_lineno]) + "\n"


def code_difference(app: str, module: str, a: str, b: str) -> str:
    """A unified difference between two variants of a problem module, "" where they are the same."""
    lines = difflib.unified_diff(
        code_of(app, module, a).splitlines(keepends=True),
        code_of(app, module, b).splitlines(keepends=True),
        fromfile=f"problems/{module}.py: {a}",
        tofile=f"problems/{module}.py: {b}",
        n=10,
    )
    return "".join(lines)


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
