"""Runs that are ended at random moments leave nothing: a few of what the benchmark does by the hundred."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from running import ROOT, environment


@pytest.fixture(params=["embedded", "containers"])
def stack(request: pytest.FixtureRequest) -> str:
    if request.param == "containers":
        request.getfixturevalue("docker_or_skip")
    return str(request.param)


def test_nothing_is_left_of_runs_that_are_killed_or_interrupted(stack: str) -> None:
    within = {"embedded": "20", "containers": "25"}[stack]  # in most of them, blocks have begun by then
    words = ["--stack", stack, "--kills", "4", "--interrupts", "1", "--within", within, "--json"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "kill_storm.py"), *words],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    goals = json.loads(done.stdout)["goals"]
    found = [goal["found"].split(" of ") for goal in goals]
    assert [dirty for dirty, _ in found] == ["0", "0"]
    assert sum(int(runs) for _, runs in found) >= 4, "a run may be over before it is hit"
