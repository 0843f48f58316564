"""The faults of ``test_process_faults``, each of them again, on containers."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_process_faults import *  # noqa: F403 - every test of it, with the arm below

from lab.model.stack import ArmSpec, RunContext, Running
from lab.reaper import Reaper
from lab.stacks.containers import Containers


@pytest.fixture(scope="module")
def arm(docker_or_skip: None) -> Iterator[Running]:
    with tempfile.TemporaryDirectory(prefix="lab-test-") as name:
        folder = Path(name)
        reaper = Reaper.start(folder)
        try:
            run = RunContext(
                id=secrets.token_hex(6), folder=folder, scratch=folder, seed=1, report=print, own=reaper.own
            )
            running = Containers().start(ArmSpec(name="one"), run)
            try:
                yield running
            finally:
                running.stop()
        finally:
            reaper.close()


def test_every_capability_is_there_or_said_to_lack() -> None:
    stack = Containers()
    assert {need for need in stack.offers if stack.lacks(need)} <= {"stress"}
