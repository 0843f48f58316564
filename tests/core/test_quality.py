"""Style, types, floors and tidiness of the whole tree, as tests: a green run is a green build."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent

CHECKS: dict[str, list[str]] = {
    "ruff check": [str(BIN / "ruff"), "check", "."],
    "ruff format": [str(BIN / "ruff"), "format", "--check", "."],
    "mypy": [str(BIN / "mypy")],
    "floors": [str(BIN / "lint-imports")],
}

# What no file may say: where somebody's checkout lay, or a host that only somebody's network has.
FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.$}-])/(work|root|tmp/w)/"),
    "a registry or an index": re.compile(
        r"\b(ghcr|quay|gcr)\.io\b|docker\.io/|(?<![\w.])registry(-\d+)?\.[a-z0-9-]+\.[a-z]{2,}\b"
        r"|pypi\.org/simple|[-]-(extra-)?index[-]url|[-]-trusted[-]host"
    ),
}
LOCK_FILES = re.compile(r"(^|/)(.+\.lock|Pipfile\.lock|package-lock\.json|pnpm-lock\.yaml)$")


@pytest.mark.parametrize("check", CHECKS)
def test_tree_passes(check: str) -> None:
    done = subprocess.run(CHECKS[check], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{check}\n{done.stdout}{done.stderr}"


def _files() -> list[str]:
    """Paths of everything that is, or would be, committed."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for path in done.stdout.splitlines() if (ROOT / path).is_file()]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what: str) -> None:
    files = _files()
    assert "pyproject.toml" in files
    found = [
        f"{path}:{n}: {line.strip()[:120]}"
        for path in files
        for n, line in enumerate((ROOT / path).read_text(errors="replace").splitlines(), 1)
        if FORBIDDEN[what].search(line)
    ]
    assert not found, f"{what}:\n" + "\n".join(found)


def test_no_lock_files() -> None:
    assert not [path for path in _files() if LOCK_FILES.search(path)]


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a path of one machine", "cd " + "/work" + "/main"),
        ("a path of one machine", "'" + "/root" + "/.cache'"),
        ("a registry or an index", "image: ghcr" + ".io/someone/something"),
        ("a registry or an index", "https://registry" + ".example.com/v2"),
        ("a registry or an index", "pip install --index" + "-url=http://mirror"),
    ],
)
def test_forbidden_patterns_find_what_they_are_for(what: str, text: str) -> None:
    assert FORBIDDEN[what].search(text)


def test_requirements_of_the_shop_are_those_of_the_project() -> None:
    """The image of the shop installs the same ranges; what only an older Python needs may come on top."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    lines = (ROOT / "sample_app" / "requirements.txt").read_text().splitlines()
    asked = {
        line for line in lines if line and not line.startswith("#") and "python_full_version" not in line
    }
    assert asked
    assert asked <= set(project)


def test_example_in_contributing_is_the_real_fault() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    example = text.partition("```python\n")[2].partition("```")[0]
    assert example.startswith("@dataclass")
    real = (ROOT / "lab" / "faults" / "kill.py").read_text()
    assert example in real, "lab/faults/kill.py has changed: copy its class into CONTRIBUTING.md"
