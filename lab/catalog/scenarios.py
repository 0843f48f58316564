"""Scenarios by name or by file."""

from __future__ import annotations

import difflib
from pathlib import Path

import lab
from lab.catalog.folders import kinds
from lab.errors import LabError
from lab.model.scenario import Scenario
from lab.scenario import LONGEST_BYTES, parse

_SUFFIXES = (".yaml", ".yml")


def scenario_folder() -> Path:
    """Where the scenarios lie: inside of an installed package, else beside it in a checkout."""
    package = Path(lab.__file__).parent
    shipped = package / "_scenarios"
    return shipped if shipped.is_dir() else package.parent / "scenarios"


def scenario_names() -> tuple[str, ...]:
    """The scenarios that come with the lab, in alphabetical order, controls not among them."""
    return tuple(sorted(path.stem for path in scenario_folder().glob("*.yaml")))


def control_names() -> tuple[str, ...]:
    """The scenarios that the lab is checked with: what they must come to is known beforehand."""
    return tuple(sorted(path.stem for path in (scenario_folder() / "controls").glob("*.yaml")))


def load_scenario(name_or_path: str | Path) -> Scenario:
    """Read and parse a scenario. Raises LabError (unknown name, unreadable file) and ScenarioInvalid."""
    path = _find(str(name_or_path))
    return parse(_read(path), kinds(), str(path))


def _find(asked: str) -> Path:
    if "/" in asked or asked.endswith(_SUFFIXES):
        return Path(asked)
    for folder in (scenario_folder(), scenario_folder() / "controls"):
        if (folder / f"{asked}.yaml").is_file():
            return folder / f"{asked}.yaml"
    names = scenario_names()
    near = difflib.get_close_matches(asked.lower(), names, n=1)
    hint = f"did you mean {near[0]}?" if near else "`lab list` shows them all; a path to a file works too"
    raise LabError(
        f"there is no scenario {asked!r}",
        where=str(scenario_folder()),
        why=f"there is {_and(names)}",
        do=hint,
    )


def _and(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none at all"


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LONGEST_BYTES + 1)  # one byte more shows that it is too long, however long
    except FileNotFoundError as error:
        raise LabError(
            f"there is no file {path}", where=str(path), why="nothing lies there", do="check the path"
        ) from error
    except OSError as error:
        raise LabError(
            f"cannot read {path}", where=str(path), why=str(error.strerror), do="name a readable YAML file"
        ) from error
