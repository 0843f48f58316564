"""What all tests share: the one place that says what happens where no Docker engine answers."""

from __future__ import annotations

import os

import docker
import pytest
from docker.errors import DockerException
from hypothesis import settings

settings.register_profile("lab", deadline=None)  # a busy machine is no reason to fail
settings.load_profile("lab")


@pytest.fixture(scope="session")
def docker_or_skip() -> None:
    """Skip where no Docker engine answers; in CI (``CI`` is set) that is a failure instead."""
    try:
        engine = docker.from_env(timeout=5)
        engine.ping()
        engine.close()
    except DockerException as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI tests containers for real, and no Docker engine answers: {error}")
        pytest.skip(f"no Docker engine answers: {error}")
