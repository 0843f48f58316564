"""What a user's own locustfile holds, asked of a process of its own: reading one means importing Locust."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from lab.errors import LabError

_READ_S = 60.0
_LAST_LINES = 5


def user_classes(path: Path, names: Sequence[str] = ()) -> tuple[str, ...]:
    """The names of its user classes, or those of ``names``. LabError for every mistake in it.

    Nothing is started but its own top level, in the folder that it lies in.
    """
    return _asked(path.absolute(), tuple(names))


@lru_cache
def _asked(path: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    words = [sys.executable, "-P", "-m", "lab.driver.flow.locustfiles", str(path), *names]
    try:
        said = subprocess.run(
            words,
            capture_output=True,
            text=True,
            timeout=_READ_S,
            cwd="/",
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(
            f"{path.name} cannot be read",
            where=str(path),
            why=f"its top level was not done after {_READ_S:.0f} s",
            do="leave waiting and asking to its tasks",
        ) from None
    try:
        answer = json.loads(said.stdout)
    except ValueError:
        last = said.stderr.splitlines()[-_LAST_LINES:]
        raise LabError(
            f"{path.name} cannot be read",
            where=str(path),
            why="; ".join(last) or f"Python ended with status {said.returncode} while reading it",
            do="correct it, then run it again",
        ) from None
    if "classes" not in answer:
        raise LabError(**answer)
    return tuple(answer["classes"])
