"""The Docker engine, its images by name, and clear words when it refuses. Imports docker only when used."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.errors import EnvironmentFailed

if TYPE_CHECKING:
    from docker import DockerClient
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.network import Network

LABEL = "incident-lab.run"
IMAGES = {
    "LAB_IMAGE_POSTGRES": "postgres:18",
    "LAB_IMAGE_REDIS": "valkey/valkey:9",
    "LAB_IMAGE_PYTHON": "python:3.13-slim",
}
_LOOK_S = 0.8
_WORK_S = 120


@dataclass(frozen=True)
class Images:
    """Names of what an arm is made of. Settled once a run, so that all of its arms run the same."""

    app: str
    data: str
    redis: str


def image(variable: str) -> str:
    """The image that a setting names, or the official one."""
    return os.environ.get(variable) or IMAGES[variable]


def no_engine() -> str:
    """Empty where a Docker engine answers, else why not, in one line."""
    import docker

    try:
        client = docker.from_env(timeout=_LOOK_S)
        client.ping()
        client.close()
    except docker.errors.DockerException as error:
        return f"no Docker engine answers: {_first_line(error)}"
    return ""


@contextmanager
def engine() -> Iterator[DockerClient]:
    """A client of the engine; its errors come out as EnvironmentFailed."""
    import docker

    with docker_words("the Docker engine"):
        client = docker.from_env(timeout=_WORK_S)
        try:
            yield client
        finally:
            client.close()


@contextmanager
def docker_words(what: str) -> Iterator[None]:
    """Turn an error of the engine into an EnvironmentFailed about ``what``."""
    import docker
    import requests

    try:
        yield
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise EnvironmentFailed(
            what=f"{what} failed",
            why=_first_line(error),
            do="see whether docker info answers and the disk has room, or use --stack embedded",
        ) from error


def has_image(client: DockerClient, name: str) -> bool:
    import docker

    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        return False
    return True


def container(
    name: str,
    run: str,
    *,
    command: list[str],
    network: Network | None = None,
    environment: Mapping[str, str] | None = None,
    files: Mapping[str, bytes] | None = None,
    **more: Any,
) -> DockerContainer:
    """A container of image ``name``, not yet started, labelled with the run. ``files`` are put into it before
    it starts: unlike arguments and variables they show in no list of processes or containers."""
    _own_reaper()
    from testcontainers.core.container import DockerContainer

    made = DockerContainer(name, network=network, env=dict(environment or {}))
    made.with_command(command)
    for path, content in (files or {}).items():
        made.with_copy_into_container(content, path)
    joined = {} if network is not None else {"network": None}  # else testcontainers looks for one
    return made.with_kwargs(labels={LABEL: run}, **joined, **more)


def network(run: str) -> Network:
    """A network, not yet created, labelled with the run."""
    _own_reaper()
    from testcontainers.core.network import Network

    return Network(docker_network_kw={"labels": {LABEL: run}})


def publish(made: DockerContainer, ports: Mapping[int, int]) -> DockerContainer:
    """Publish container ports on chosen ports of 127.0.0.1 alone; chosen, so that a restart keeps them."""
    for inside, outside in ports.items():
        made.ports[f"{inside}/tcp"] = ("127.0.0.1", outside)  # type: ignore[assignment]  # the engine takes it
    return made


def _own_reaper() -> None:
    """Testcontainers brings a reaper of its own, as one more image to pull; the lab has one already."""
    from testcontainers.core.config import testcontainers_config

    testcontainers_config.ryuk_disabled = True


def is_up(wrapped: object) -> bool:
    """Whether a container's process lives, paused or not."""
    wrapped.reload()  # type: ignore[attr-defined]
    return wrapped.status in ("created", "running", "paused", "restarting")  # type: ignore[attr-defined]


def _first_line(error: Exception) -> str:
    text = str(getattr(error, "explanation", None) or error).strip()
    return text.splitlines()[0] if text else type(error).__name__
