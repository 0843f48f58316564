"""What changed in the checkout since a commit, by git."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab import __version__
from lab.catalog import load_scenario, scenario_folder
from lab.catalog.touched import touched
from lab.errors import LabError

_GIT_S = 30


def names_changed_since(names: tuple[str, ...], reference: str) -> tuple[str, ...]:
    """Those of the named scenarios that a change since ``reference`` touches, uncommitted changes among them.

    Raises LabError where there is no checkout, no git or no such commit.
    """
    files = changed_since(reference, scenario_folder())
    wanted = touched([load_scenario(name) for name in names], files)
    return tuple(name for name in names if load_scenario(name).slug in wanted)


def turn() -> str:
    """The commit that is checked out; the version of the lab where the scenarios lie in no checkout."""
    try:
        return _git(scenario_folder(), "HEAD", "rev-parse", "HEAD").strip()
    except LabError:
        return __version__


def changed_since(reference: str, folder: Path) -> list[str]:
    """Paths from the root of the checkout around ``folder``: changed since a commit, or not known to git."""
    if reference.startswith("-"):
        raise _refused(reference, "a reference does not begin with a dash")
    root = Path(_git(folder, reference, "rev-parse", "--show-toplevel").strip())
    changed = _git(root, reference, "diff", "--name-only", "-z", reference, "--")
    new = _git(root, reference, "ls-files", "--others", "--exclude-standard", "-z")
    return sorted({path for path in (changed + new).split("\0") if path})


def _git(folder: Path, reference: str, *words: str) -> str:
    try:
        ran = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=False, timeout=_GIT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _refused(reference, str(error)) from error
    if ran.returncode:
        raise _refused(reference, ran.stderr.strip())
    return ran.stdout


def _refused(reference: str, why: str) -> LabError:
    return LabError(
        f"what changed since {reference} cannot be told",
        where="--changed-since",
        why=why,
        do="name a commit, branch or tag of the checkout that the scenarios lie in, such as origin/main",
    )
