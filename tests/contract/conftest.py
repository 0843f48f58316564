"""One arm of real servers for the contract tests of the plug-ins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lab.model.stack import ArmSpec, RunContext, Running
from lab.reaper import Reaper
from lab.stacks.embedded import Embedded


@pytest.fixture(scope="session")
def arm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("run")
    reaper = Reaper.start(folder)
    # Not below pytest's folder, which is closed to the user that Postgres runs as where the tests are root.
    with TemporaryDirectory() as scratch:
        Path(scratch).chmod(0o755)
        run = RunContext(
            id="plugins",
            folder=folder,
            scratch=Path(scratch),
            seed=1,
            report=lambda _line: None,
            own=reaper.own,
        )
        try:
            stack = Embedded()
            stack.prepare(run)
            running = stack.start(ArmSpec(name="one"), run)
            try:
                yield running
            finally:
                running.stop()
        finally:
            reaper.close()
