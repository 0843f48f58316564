"""The command line as a person meets it: words, exit codes, and no traceback of ours whatever is typed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]
GOOD = (ROOT / "scenarios" / "stampede.yaml").read_text()


def lab(*words: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lab", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def said(done: subprocess.CompletedProcess[str], code: int) -> str:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_an_unknown_scenario_is_met_with_a_guess() -> None:
    assert "did you mean stampede" in said(lab("run", "stampde"), 2)


def test_an_unknown_fix_is_met_with_those_there_are() -> None:
    assert "single-flight" in said(lab("plan", "stampede", "--fix", "pray", "--stack", "embedded"), 2)


def test_an_unknown_stack_is_met_with_those_there_are() -> None:
    assert "embedded" in said(lab("run", "stampede", "--stack", "cloud"), 2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\x00\xff\xfe binary", ""),
        (b"a: [1", ":1:"),
        (b"x: 1\n" * 2_500_000, ""),
        (GOOD.replace("block: 500ms", "block: 500").encode(), "unit"),
        (GOOD.replace("expire-key", "expire-kee").encode(), "expire-key"),
        (GOOD.replace("title:", "titel:").encode(), "title"),
        ((GOOD + "\ntitle: again\n").encode(), "title"),
    ],
    ids=[
        "empty",
        "binary",
        "syntax",
        "10 MB",
        "missing unit",
        "unknown fault",
        "unknown key",
        "duplicate key",
    ],
)
def test_a_wrong_scenario_file_is_met_with_the_place_of_the_mistake(
    content: bytes, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    error = said(lab("check", str(file)), 2)
    assert "mine.yaml" in error
    assert words in error


def test_every_mistake_is_reported_at_once(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD.replace("block: 500ms", "block: 500").replace("expire-key", "expire-kee"))
    found = json.loads(lab("check", str(file), "--json").stdout)
    assert len({error["line"] for error in found["files"][0]["errors"]}) >= 2


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file where the folder should be")
    error = said(lab("run", "stampede", "--stack", "embedded", "--out", str(tmp_path / "reports")), 2)
    assert str(tmp_path / "reports") in error


def test_a_run_that_does_not_exist_is_met_with_what_to_do(tmp_path: Path) -> None:
    assert "lab run" in said(lab("judge", "--out", str(tmp_path)), 2)


def test_settings_in_lab_toml_are_used_and_wrong_ones_named(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text('stack = "cloud"\n')
    assert "cloud" in said(lab("plan", "stampede", cwd=tmp_path), 2)
    assert "cloud" not in lab("plan", "stampede", "--stack", "embedded", cwd=tmp_path).stderr
    (tmp_path / "lab.toml").write_text("speed = 9\n")
    assert "speed" in said(lab("list", cwd=tmp_path), 2)


def test_the_environment_wins_over_lab_toml(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text('stack = "cloud"\n')
    assert "cloud" not in lab("plan", "stampede", cwd=tmp_path, LAB_STACK="embedded").stderr


def test_a_seed_gives_the_same_plan_again() -> None:
    words = ("plan", "stampede", "--stack", "embedded", "--seed", "7", "--json")
    assert lab(*words).stdout == lab(*words).stdout


def test_a_plan_says_how_long_a_fix_has_to_stay_clean() -> None:
    words = ("plan", "stampede", "--stack", "embedded", "--seed", "7")
    assert "17 clean blocks of the fix, so that fewer than 24 % are bad" in lab(*words).stdout
    assert "44 clean blocks of the fix, so that fewer than 9.9 % are bad" in lab(*words, "--strict").stdout


def test_the_schemas_are_json() -> None:
    for what in ("scenario", "report"):
        assert json.loads(lab("schema", what).stdout)["$schema"]


@pytest.mark.parametrize("what", ["measures", "scenarios", "faults", "fixes", "probes", "stacks", "loads"])
def test_everything_that_is_listed_is_documented(what: str) -> None:
    from lab.cli.main import app

    rows = CliRunner().invoke(app, ["list", what]).stdout.splitlines()
    assert rows
    for row in rows:
        name, _, text = row.partition("  ")
        assert text.strip(), f"{name} says nothing of itself"
        shown = CliRunner().invoke(app, ["show", name])
        assert shown.exit_code == 0 and shown.stdout.strip(), shown.output


def test_every_command_is_in_the_readme() -> None:
    from lab.cli.main import COMMANDS, app

    assert {command.name for command in app.registered_commands} == set(COMMANDS)
    text = (ROOT / "README.md").read_text()
    for name in COMMANDS:
        assert re.search(rf"\blab {name}\b", text), f"the README does not say what `lab {name}` does"


def test_every_command_says_what_it_does_and_how_it_is_called() -> None:
    from lab.cli.main import COMMANDS, app

    for name, command in COMMANDS.items():
        told = CliRunner().invoke(app, [name, "--help"])
        assert told.exit_code == 0, told.output
        assert f"lab {name}" in told.output
        assert (command.__doc__ or "").split()[0] in told.output


def test_a_run_has_one_control_at_most() -> None:
    assert "one control" in said(lab("verify", "stampede", "--placebo", "--perfect"), 2)


def test_verifying_an_unknown_scenario_is_met_with_a_guess() -> None:
    assert "did you mean stampede" in said(lab("verify", "stampde", "--stack", "embedded"), 2)


def test_a_history_without_runs_is_no_mistake(tmp_path: Path) -> None:
    done = lab("history", "--out", str(tmp_path))
    assert done.stdout == "there is no finished run yet\n"
    assert said(done, 0) == ""


def test_comparing_what_is_not_there_is_met_with_what_to_do(tmp_path: Path) -> None:
    assert "lab run" in said(lab("compare", "a", "b", "--out", str(tmp_path)), 2)


def test_help_imports_nothing_heavy() -> None:
    """The bar is 300 ms; what would break it is an import, so that is what is looked at."""
    code = (
        "import sys, lab.cli.main as m\n"
        "heavy = {'locust', 'gevent', 'numpy', 'pydantic', 'docker', 'psycopg', 'redis', 'scipy', 'jinja2'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        lab("--help")
        times.append(time.perf_counter() - begin)
    print(f"lab --help: median {sorted(times)[2] * 1e3:.0f} ms")
