"""Which scenarios a change touches."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab import __version__
from lab.catalog import load_scenario
from lab.catalog.touched import a_few, touched
from lab.cli import changes, verify
from lab.errors import LabError

NAMES = ("missing-index", "redis-down", "stampede")
CASES = {
    "scenarios/stampede.yaml": ("stampede",),
    "sample_app/problems/redis_down.py": ("redis-down",),
    "lab/faults/drop_index.py": ("missing-index",),
    "lab/fixes/sql.py": ("missing-index",),
    "lab/probes/postgres.py": ("missing-index", "stampede"),
    "lab/faults/_postgres.py": NAMES,
    "lab/runner/bench.py": NAMES,
    "sample_app/cache.py": NAMES,
    "sample_app/problems/__init__.py": NAMES,
    "pyproject.toml": NAMES,
    "lab/faults/bandwidth.py": (),
    "docs/faults.md": (),
    "README.md": (),
    "tests/core/test_touched.py": (),
    "scenarios/controls/same-code.yaml": (),
}


@pytest.mark.parametrize(("path", "expected"), CASES.items())
def test_a_change_touches_what_is_made_of_it(path: str, expected: tuple[str, ...]) -> None:
    assert touched([load_scenario(name) for name in NAMES], [path]) == expected


def test_a_module_of_another_name_touches_the_control_that_uses_it() -> None:
    controls = [load_scenario(name) for name in ("same-code", "sure-fix")]
    assert touched(controls, ["sample_app/problems/stampede.py"]) == ("same-code",)


MANY = tuple(f"scenario-{n}" for n in range(30))


def test_a_few_are_those_that_come_first_and_then_others_in_the_order_given() -> None:
    chosen = a_few(MANY, ("scenario-7", "scenario-3"), 6, "a commit")
    assert {"scenario-3", "scenario-7"} < set(chosen)
    assert chosen == tuple(name for name in MANY if name in chosen) and len(chosen) == 6
    assert set(a_few(MANY, MANY[:10], 6, "a commit")) < set(MANY[:10])
    assert a_few(MANY[:4], (), 6, "a commit") == MANY[:4]


def test_the_same_commit_draws_the_same_ones_and_others_draw_all_of_them_by_turns() -> None:
    turns = [a_few(MANY, MANY, 6, f"commit {n}") for n in range(60)]
    assert turns == [a_few(MANY, MANY, 6, f"commit {n}") for n in range(60)]
    times = [sum(name in turn for turn in turns) for name in MANY]
    assert sum(times) == 60 * 6
    assert min(times) > 0, "one in five of sixty: none is left out for long"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    def git(*words: str) -> None:
        own = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(tmp_path), *own, *words], check=True, capture_output=True)

    git("init", "-q")
    (tmp_path / "kept").write_text("1")
    (tmp_path / "changed").write_text("1")
    git("add", ".")
    git("commit", "-qm", "first")
    (tmp_path / "committed").write_text("1")
    git("add", ".")
    git("commit", "-qm", "second")
    (tmp_path / "changed").write_text("2")
    (tmp_path / "new file").write_text("1")
    return tmp_path


def test_what_is_committed_changed_or_new_since_has_changed(checkout: Path) -> None:
    assert changes.changed_since("HEAD~1", checkout) == ["changed", "committed", "new file"]
    assert changes.changed_since("HEAD", checkout) == ["changed", "new file"]


@pytest.mark.parametrize("reference", ["nowhere", "--output=x", ""])
def test_a_reference_that_git_does_not_know_is_told(checkout: Path, reference: str) -> None:
    with pytest.raises(LabError, match="cannot be told"):
        changes.changed_since(reference, checkout)


def test_a_turn_is_the_commit_or_else_the_version(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "scenario_folder", lambda: checkout)
    commit = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert changes.turn() == commit
    (checkout / ".git").rename(checkout / "was")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(checkout.parent))
    assert changes.turn() == __version__


def test_what_runs_is_what_is_named_or_all_or_the_controls(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verify.chosen_names(["stampede"]) == ("stampede",)
    assert set(NAMES) <= set(verify.chosen_names([]))
    assert "same-code" in verify.chosen_names([], controls=True)
    monkeypatch.setattr(changes, "changed_since", lambda *_: ["scenarios/stampede.yaml"])
    assert verify.chosen_names(NAMES, changed_since="main") == ("stampede",)
    assert "stampede" in verify.chosen_names([], changed_since="main", sample=6)
    assert len(verify.chosen_names([], changed_since="main", sample=6)) == 6
    assert verify.chosen_names(NAMES, sample=9) == NAMES
    with pytest.raises(LabError, match="controls are scenarios of their own"):
        verify.chosen_names(["stampede"], controls=True)
