"""Postgres, Redis and the app in Docker containers: official images by default, each replaceable."""

from __future__ import annotations

import threading
from typing import ClassVar

from lab.model.stack import ArmSpec, RunContext, Running
from lab.stacks._container_arm import ContainerArm
from lab.stacks._docker import LABEL, Images, engine, no_engine
from lab.stacks._images import make_images, missing
from lab.stacks._ports import PortTaken

_ATTEMPTS = 5


class Containers:
    """Arms as containers, published on 127.0.0.1 alone.

    ``LAB_IMAGE_POSTGRES``, ``LAB_IMAGE_REDIS`` and ``LAB_IMAGE_PYTHON`` name other images; ``LAB_WHEELS``
    a folder of wheels for an app image that is built without a network. Redis keeps nothing on disk:
    after a kill it comes back empty.
    """

    kind: ClassVar[str] = "containers"
    preference: ClassVar[int] = 1  # the nearest to production comes first under ``auto``
    offers: ClassVar[frozenset[str]] = frozenset(
        {"postgres", "redis", "app", "balancer", "code", "sql", "kill", "restart", "freeze", "pause", "stop"}
        | {"cpu-limit", "memory-limit", "stress", "disk", "link", "own-link"}
    )

    def __init__(self) -> None:
        self._images: dict[str, Images] = {}
        self._making = threading.Lock()

    def available(self) -> str:
        """Empty where a Docker engine answers, else why not, in one line. Takes less than a second."""
        return no_engine()

    def missing_images(self, app: str = "sample_app") -> list[str]:
        """Images that a first run would have to download; ``auto`` takes containers only without any."""
        return missing(app)

    def lacks(self, capability: str) -> str:
        """What runs beside a service is measured from this machine's own list of processes."""
        if capability == "stress":
            with engine() as client:
                system = str(client.info().get("OperatingSystem", ""))
            if system.startswith("Docker Desktop"):
                return f"{system} runs containers where their processes cannot be seen: use --stack embedded"
        return ""

    def prepare(self, run: RunContext) -> None:
        """Pull and build what is missing, fill the database once. Raises EnvironmentFailed."""
        self._settled("sample_app", run)

    def start(self, arm: ArmSpec, run: RunContext) -> Running:
        """Bring one arm up; safe in parallel. Raises EnvironmentFailed, with nothing left running."""
        images = self._settled(arm.app, run)
        for attempt in range(_ATTEMPTS):
            running = ContainerArm(arm, run, images)
            try:
                running.up()
                return running
            except PortTaken:
                running.stop()
                if attempt == _ATTEMPTS - 1:
                    raise
            except BaseException:
                running.stop()
                raise
        raise AssertionError("unreachable")

    def _settled(self, app: str, run: RunContext) -> Images:
        """The images, made first where they are missing; the same for all arms that this object starts."""
        run.own({"label": f"{LABEL}={run.id}"})  # before anything carries it
        with self._making:
            if app not in self._images:
                self._images[app] = make_images(app, run)
            return self._images[app]
