"""Plug-ins by kind: the folders are the registry, and outside packages add to them by entry points."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from lab.catalog.source import labels_of
from lab.errors import LabError
from lab.model.kinds import Kinds

FOLDERS = ("stacks", "faults", "fixes", "loads", "probes")
SAMPLE_APP = "sample_app"


@lru_cache(maxsize=1)
def kinds() -> Kinds:
    """Everything that a scenario may name. Raises LabError for a plug-in that cannot be read."""
    return Kinds(
        faults=plugins("faults"),
        fixes=plugins("fixes"),
        probes=plugins("probes"),
        labels={SAMPLE_APP: labels_of(SAMPLE_APP)},
    )


def stacks() -> Mapping[str, type[Any]]:
    """Stack backends by kind."""
    return plugins("stacks")


def loads() -> Mapping[str, type[Any]]:
    """Load generators by kind."""
    return plugins("loads")


def plugins(folder: str) -> Mapping[str, type[Any]]:
    """Classes of one plug-in folder by kind: ``drop_index.py`` holds ``DropIndex``, kind ``drop-index``."""
    package = import_module(f"lab.{folder}")
    names = sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_"))
    found = {name.replace("_", "-"): _class_in(f"lab.{folder}", name) for name in names}
    for point in entry_points(group=f"incident_lab.{folder}"):
        if point.name in found:
            raise LabError(
                f"{folder}: the kind {point.name!r} exists twice",
                where=point.value,
                why="an installed package brings a kind of the same name",
                do="rename the entry point, or remove the package",
            )
        found[point.name] = point.load()
    return found


def _class_in(package: str, module: str) -> type[Any]:
    name = "".join(part.capitalize() for part in module.split("_"))
    found = getattr(import_module(f"{package}.{module}"), name, None)
    if not isinstance(found, type):
        raise LabError(
            f"{package}.{module} has no class {name}",
            where=f"{package}/{module}.py",
            why="the folder is the registry: the file's name gives the kind and the class",
            do=f"name the class {name}, or let the file's name begin with an underscore",
        )
    return found
