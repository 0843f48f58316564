"""Where the defaults of options come from: flag, environment, ``lab.toml``, default, in that order."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

KEYS = frozenset({"stack", "out", "seed", "quiet", "verbose", "color", "report", "fix", "budget"})


def defaults(file: Path, commands: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The default map for the command line; ``fault add`` is a command of a group.

    ValueError in words where ``lab.toml`` cannot be used.
    """
    if not file.is_file():
        return {}
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is not TOML: {error}\n  do:  mend or remove it") from error
    unknown = sorted(set(found) - KEYS)
    if unknown:
        raise ValueError(
            f"{file} has unknown keys: {', '.join(unknown)}\n  why: the known ones are {', '.join(sorted(KEYS))}"
        )
    chosen: dict[str, dict[str, Any]] = {}
    for command in commands:
        group, _, name = command.rpartition(" ")
        (chosen.setdefault(group, {}) if group else chosen)[name] = dict(found)
    return chosen
