"""One arm of real servers of each stack, for the contract tests of the plug-ins."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from time import monotonic

import pytest
from arm_at_work import ask

from lab.model.stack import ArmSpec, RunContext, Running, Stack
from lab.reaper import Reaper
from lab.stacks.containers import Containers
from lab.stacks.embedded import Embedded

SETTLES_S = 5.0


@contextmanager
def arm_of(stack: Stack) -> Iterator[Running]:
    # Not below pytest's folder, which is closed to the user that Postgres runs as where the tests are root.
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        reaper = Reaper.start(folder)
        run = RunContext(
            id=secrets.token_hex(6),
            folder=folder,
            scratch=folder,
            seed=1,
            report=lambda _line: None,
            own=reaper.own,
        )
        try:
            stack.prepare(run)
            running = stack.start(ArmSpec(name="one"), run)
            try:
                yield running
            finally:
                running.stop()
        finally:
            reaper.close()


@pytest.fixture(scope="session")
def embedded_arm() -> Iterator[Running]:
    with arm_of(Embedded()) as running:
        yield running


@pytest.fixture(scope="session")
def container_arm(docker_or_skip: None) -> Iterator[Running]:
    with arm_of(Containers()) as running:
        yield running


@pytest.fixture(scope="session", params=["embedded", "containers"])
def each_arm(request: pytest.FixtureRequest) -> Running:
    running: Running = request.getfixturevalue(f"{request.param.removesuffix('s')}_arm")
    return running


@pytest.fixture(scope="session")
def arm(embedded_arm: Running) -> Running:
    """A file whose tests are for each stack has one of its own, which is ``each_arm``."""
    return embedded_arm


@pytest.fixture(autouse=True)
def over(request: pytest.FixtureRequest) -> None:
    """Whatever an earlier test did to the servers has left the app's pools: their first answers after it may fail."""
    deadline, pause = monotonic() + SETTLES_S, Event()
    for name in ("arm", "each_arm"):
        if name in request.fixturenames:
            running: Running = request.getfixturevalue(name)
            while not _answers(running) and monotonic() < deadline:
                pause.wait(0.05)


def _answers(running: Running) -> bool:
    try:
        return all(ask(running, path) for path in ("/customers/7", "/products/top", "/health"))
    except OSError:
        return False
