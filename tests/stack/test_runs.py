"""Whole runs on real servers: the verdicts, and that nothing is left however a run ends."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from running import ROOT, lab, left_of, run_folder, start, wait_until

STACKS = ["embedded", "containers"]


@pytest.fixture(params=STACKS)
def stack(request: pytest.FixtureRequest) -> str:
    if request.param == "containers":
        request.getfixturevalue("docker_or_skip")
    return str(request.param)


SHORTER = {"warm_up: 1s": "warm_up: 200ms", "length: 3s": "length: 1500ms"}


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> str:
    """redis-down, with less of everything that only a verdict needs."""
    text = (ROOT / "scenarios" / "redis-down.yaml").read_text()
    for longer, shorter in SHORTER.items():
        assert longer in text
        text = text.replace(longer, shorter)
    file = tmp_path_factory.mktemp("scenarios") / "redis-down.yaml"
    file.write_text(text)
    return str(file)


# On the embedded servers, test_changed_scenarios.py does this with six scenarios.
def test_the_documented_fix_is_measured_and_nothing_is_left(docker_or_skip: None, tmp_path: Path) -> None:
    began = time.time()
    words = ("run", "stampede", "--stack", "containers", "--seed", "7", "--out", str(tmp_path), "--json")
    done = lab(*words, timeout=400)
    assert done.returncode in (0, 3, 4), done.stderr
    report = json.loads(done.stdout)
    states = {verdict["fix"]: verdict["state"] for verdict in report["verdicts"]}
    print(states, f"{report['wall_s']:.0f} s")
    assert report["schema"] == "lab.report/1"
    assert states["placebo"] != "resolved"
    # A loaded CI machine may not decide.
    assert states["single-flight"] in ("resolved", "inconclusive", "void"), report
    assert left_of(tmp_path, began) == []
    for name in ("report.html", "report.json", "junit.xml", "summary.md", "blocks.jsonl"):
        assert (run_folder(tmp_path) / name).stat().st_size > 0


@pytest.mark.parametrize("moment", ["plan.json", "events.jsonl: arm-up", "blocks.jsonl"])
def test_ctrl_c_undoes_everything_and_keeps_what_was_measured(
    moment: str, stack: str, short: str, tmp_path: Path
) -> None:
    began = time.time()
    process = start("run", short, "--stack", stack, "--no-control", "--out", str(tmp_path))
    wait_until(lambda: _reached(tmp_path, moment), 120, moment)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert (run_folder(tmp_path) / "report.html").exists(), err
    assert left_of(tmp_path, began) == []


def _reached(out: Path, moment: str) -> bool:
    name, _, word = moment.partition(": ")
    files = list(out.glob(f"*/{name}"))
    if not files:
        return False
    text = files[0].read_text()
    return word in text if word else name != "blocks.jsonl" or text.count("\n") > 5


def test_a_killed_lab_leaves_nothing_either(stack: str, short: str, tmp_path: Path) -> None:
    began = time.time()
    process = start("run", short, "--stack", stack, "--no-control", "--out", str(tmp_path))
    wait_until(lambda: _reached(tmp_path, "blocks.jsonl"), 120, "a few blocks")
    process.kill()
    process.communicate()
    wait_until(lambda: left_of(tmp_path, began) == [], 30, f"the reaper's work: {left_of(tmp_path, began)}")
    assert "nothing is left" in lab("clean", "--out", str(tmp_path)).stdout


def test_two_runs_at_the_same_time_both_work(short: str, tmp_path: Path) -> None:
    words = ("run", short, "--stack", "embedded", "--fix", "none", "--no-control", "--budget", "1s")
    first = start(*words, "--out", str(tmp_path / "a"))
    second = start(*words, "--out", str(tmp_path / "b"))
    errors = [process.communicate(timeout=300)[1] for process in (first, second)]
    assert {first.returncode, second.returncode} <= {0, 4}, errors  # 4: the machine disturbed too much
    assert any("another run is measuring" in error for error in errors)


def test_a_run_is_judged_again_byte_for_byte(short: str, tmp_path: Path) -> None:
    words = ("run", short, "--stack", "embedded", "--fix", "none", "--budget", "1s")
    # 4: the machine disturbed too many blocks.
    assert lab(*words, "--out", str(tmp_path)).returncode in (0, 4)
    folder = run_folder(tmp_path)
    before = (folder / "verdict.json").read_bytes()
    again = [lab("judge", str(folder), "--json").stdout for _ in range(2)]
    assert again[0] == again[1]
    assert json.loads(again[0]) == json.loads(before)
    assert lab("report", str(folder)).returncode == 0


def test_a_server_that_does_not_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    server = tmp_path / "redis-server"
    server.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "Redis server v=7.0.0 sha=0" && exit\necho "out of luck"; exit 1\n'
    )
    server.chmod(0o755)
    out = tmp_path / "out"
    done = lab("run", "redis-down", "--stack", "embedded", "--out", str(out), LAB_REDIS_BIN=str(server))
    assert done.returncode == 4
    assert "out of luck" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_app_that_crashes_at_its_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    done = lab("up", "--stack", "embedded", "--code", "stampede=nonsense", "--out", str(tmp_path))
    assert done.returncode == 4
    assert "nonsense" in done.stderr


def test_a_cache_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    words = ("run", "redis-down", "--stack", "embedded", "--out", str(tmp_path / "out"))
    done = lab(*words, LAB_CACHE=str(tmp_path / "cache"))
    assert done.returncode in (2, 4)
    assert str(tmp_path / "cache") in done.stderr
    assert "Traceback" not in done.stderr


def test_up_and_down(tmp_path: Path) -> None:
    began = time.time()
    up = lab("up", "--stack", "embedded", "--out", str(tmp_path))
    assert up.returncode == 0, up.stderr
    assert "http://127.0.0.1:" in up.stdout
    assert lab("up", "--stack", "embedded", "--out", str(tmp_path)).returncode == 2
    down = lab("down", "--out", str(tmp_path))
    assert (down.returncode, down.stdout) == (0, "stopped\n")
    assert left_of(tmp_path, began) == []
