"""Every command of the README works as it stands, the set-up in a fresh copy with an empty home."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import ROOT, environment

README = (ROOT / "README.md").read_text()
LINES = [
    line for block in re.findall(r"```sh\n(.*?)```", README, re.S) for line in block.splitlines() if line
]
COMMANDS = [line for line in LINES if line.startswith("lab ")]


def shell(
    line: str, cwd: Path, env: dict[str, str], timeout: float = 900
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line], cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout
    )


def measured(done: subprocess.CompletedProcess[str]) -> bool:
    """The run was carried through. A machine with other work to do may leave it undecided or void."""
    return done.returncode in (0, 3) or (done.returncode == 4 and "VOID" in done.stdout)


@pytest.fixture(scope="module")
def commands_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The commands are typed without their folder, as the README says."""
    out = tmp_path_factory.mktemp("reports")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = environment(PATH=path, LAB_OUT=str(out), LAB_STACK="embedded", BROWSER="true")
    yield env
    shell("lab down", ROOT, env)


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_readme_works(line: str, commands_environment: dict[str, str]) -> None:
    done = shell(line, ROOT, commands_environment)
    judges = " run " in line or " judge" in line
    assert measured(done) if judges else done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def copy_of_the_tree(to: Path) -> Path:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            (to / name).write_bytes((ROOT / name).read_bytes())
            (to / name).chmod((ROOT / name).stat().st_mode)
    return to


def test_the_first_line_goes_from_nothing_to_a_verdict(tmp_path: Path) -> None:
    line = next(line for line in LINES if line.endswith("lab run stampede"))
    home = tmp_path / "home"
    home.mkdir()
    env = {k: v for k, v in os.environ.items() if not k.startswith(("LAB_", "XDG_", "VIRTUAL_ENV", "PYTHON"))}
    done = shell(line, copy_of_the_tree(tmp_path / "clone"), env | {"HOME": str(home)})
    assert measured(done), done.stdout + done.stderr
    assert "single-flight" in done.stdout
    print(done.stdout)


def test_the_second_line_is_the_one_that_ci_runs() -> None:
    assert any("pytest" in line and "[dev]" in line for line in LINES)


def test_a_wheel_holds_everything_a_run_needs(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    assert subprocess.run(build, capture_output=True, timeout=120).returncode == 0
    wheel = next(tmp_path.glob("*.whl"))
    (tmp_path / "empty").mkdir()
    unpacked = tmp_path / "site"
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(unpacked)], check=True)
    env = environment(PYTHONPATH=str(unpacked), LAB_OUT=str(tmp_path / "out"))
    words = "run stampede --stack embedded --fix none --no-control --budget 1s"
    done = shell(f"{sys.executable} -P -m lab {words}", tmp_path / "empty", env)
    assert measured(done), done.stdout + done.stderr
    where = shell(f"{sys.executable} -P -c 'import lab; print(lab.__file__)'", tmp_path / "empty", env).stdout
    assert where.startswith(str(unpacked))
