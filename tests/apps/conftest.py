"""A real Postgres with the shop's data, a real Redis and the app, brought up once for all tests here."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import structlog
from redis import Redis

from lab.model.stack import ArmSpec, RunContext, Running
from lab.stacks.embedded import Embedded
from sample_app.settings import Settings


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> None:
    """Unconfigured, structlog paints whole stacks with their variables, which takes half a second each."""
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.ReturnLoggerFactory()
    )


@pytest.fixture(scope="session")
def arm() -> Iterator[Running]:
    with tempfile.TemporaryDirectory(prefix="shop-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # Postgres may run as another user
        run = RunContext(
            id="shop-tests", folder=folder, scratch=folder, seed=7, report=print, own=lambda resource: None
        )
        stack = Embedded()
        stack.prepare(run)
        running = stack.start(ArmSpec(name="shop", environment={"slow_request_ms": "300"}), run)
        try:
            yield running
        finally:
            running.stop()


@pytest.fixture
def redis(arm: Running) -> Iterator[Redis]:
    """A client of the arm's Redis, emptied."""
    with Redis.from_url(arm.redis_url, decode_responses=True) as client:
        client.flushall()
        yield client


class SettingsOf:
    """Settings for an app of the test's own beside the arm's."""

    def __init__(self, arm: Running) -> None:
        self._urls = {"database_url": arm.dsn.replace("postgres@", "shop@"), "redis_url": arm.redis_url}

    def __call__(self, code: Mapping[str, str] | None = None, **more: object) -> Settings:
        return Settings.model_validate({**self._urls, "code": code or {}, **more})


@pytest.fixture
def settings_of(arm: Running) -> SettingsOf:
    return SettingsOf(arm)
