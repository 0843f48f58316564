"""A supervisor beside a service: it notices that the service is gone, and starts it again.

What systemd does with ``Restart=on-failure``, ``RestartSec=100ms`` (its default) and an ``ExecStartPre`` that
asks the dependencies first (systemd.service(5)).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.model.stack import ArmSpec, Running, ServiceName
from lab.model.units import Seconds

NOTICED_S, READY_S, LOOK_S = 2.0, 10.0, 0.02
TIMEOUT_S = 2


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Supervise:
    """Once ``service`` is down, wait for ``pause``, see that Postgres and Redis answer, and start it."""

    service: ServiceName = "app"
    pause: Seconds = 0.1

    needs: ClassVar[frozenset[str]] = frozenset({"kill"})

    def prepare(self, arm: ArmSpec, module: str) -> ArmSpec:
        """The arm as it is: who watches stands beside it."""
        return arm

    def apply(self, running: Running) -> None:
        """Returns when the service answers again. Raises EnvironmentFailed where it is not down, or cannot be
        started for want of what it depends on."""
        if not _until(lambda: not running.alive(self.service), NOTICED_S):
            raise EnvironmentFailed(
                what=f"{self.service} is not down",
                where=running.name,
                why=f"a supervisor acts on what has ended, and it ran on for {NOTICED_S:g} s",
                do=f"name a fault that ends {self.service} before the fix acts",
            )
        threading.Event().wait(self.pause)
        self._see_dependencies(running)
        running.start(self.service)

    def placebo(self, running: Running) -> None:
        """The questions to the dependencies, and no start. Raises EnvironmentFailed."""
        self._see_dependencies(running)

    def _see_dependencies(self, running: Running) -> None:
        asked: dict[ServiceName, Callable[[], bool]] = {}
        if running.dsn and self.service != "postgres":
            asked["postgres"] = lambda: _postgres_answers(running.dsn)
        if running.redis_url and self.service != "redis":
            asked["redis"] = lambda: _redis_answers(running.redis_url)
        for name, answers in asked.items():
            if not _until(answers, READY_S):
                raise EnvironmentFailed(
                    what=f"{name} does not answer, so {self.service} was not started",
                    where=running.name,
                    why=running.logs(name, 5),
                    do=f"start {name} first",
                )


def _until(true: Callable[[], bool], within_s: float) -> bool:
    deadline, pause = monotonic() + within_s, threading.Event()
    while not (answer := true()) and monotonic() < deadline:
        pause.wait(LOOK_S)
    return answer


def _postgres_answers(dsn: str) -> bool:
    import psycopg

    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=TIMEOUT_S) as database:
            return database.execute("SELECT 1").fetchone() == (1,)
    except psycopg.Error:
        return False


def _redis_answers(url: str) -> bool:
    from redis import Redis
    from redis.exceptions import RedisError

    try:
        with Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S) as client:
            return bool(client.ping())
    except RedisError:
        return False
