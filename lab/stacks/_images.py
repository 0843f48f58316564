"""The images of the container stack: pulled, or made once from what was pulled.

``incident-lab-app`` is the app on a Python base image, ``incident-lab-data`` a Postgres image that has the
filled database inside. Both carry a hash of all that they were made from as their tag.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import EnvironmentFailed, LabError
from lab.model.stack import RunContext
from lab.stacks._disk import cache_folder, disk_words, locked
from lab.stacks._docker import (
    IMAGES,
    Images,
    container,
    docker_words,
    engine,
    has_image,
    image,
    is_up,
    network,
    publish,
)
from lab.stacks._ports import free_port, give_back
from lab.stacks._postgres import SETTINGS, WHILE_LOADING, arguments, superuser_url
from lab.stacks._ready import postgres_answers, wait_until
from lab.stacks._shop import data_version, load_data
from lab.stacks._template import create_database

if TYPE_CHECKING:
    from docker import DockerClient
    from testcontainers.core.container import DockerContainer

PGDATA = "/srv/postgres"  # outside of the base image's volume, which a commit leaves out
_LAYOUT = 1  # counts changes of how these images are made
_STOP_S = 60
_DATA_ENVIRONMENT = {
    "PGDATA": PGDATA,
    "POSTGRES_USER": "postgres",
    "POSTGRES_HOST_AUTH_METHOD": "trust",  # published on 127.0.0.1 alone
    "POSTGRES_INITDB_ARGS": "--encoding=UTF8 --locale=C --wal-segsize=4 --no-sync",
}


def images_of(app: str) -> Images:
    """By the files of the app and the base images as they are now, present or not."""
    digest = hashlib.sha256(repr((_LAYOUT, image("LAB_IMAGE_PYTHON"))).encode())
    for name, path in _context(app):
        digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    parts = (_LAYOUT, app, data_version(app), image("LAB_IMAGE_POSTGRES"), sorted(SETTINGS.items()))
    data = hashlib.sha256(repr(parts).encode())
    return Images(
        app=f"incident-lab-app:{digest.hexdigest()[:16]}",
        data=f"incident-lab-data:{data.hexdigest()[:16]}",
        redis=image("LAB_IMAGE_REDIS"),
    )


def missing(app: str) -> list[str]:
    """Images that would have to be downloaded before the first run; empty where all is at hand."""
    images = images_of(app)
    with engine() as client:
        app_made, data_made = has_image(client, images.app), has_image(client, images.data)
        bases = [images.redis]
        bases += [] if data_made else [image("LAB_IMAGE_POSTGRES")]
        bases += [] if app_made else [image("LAB_IMAGE_PYTHON")]
        absent = [name for name in bases if not has_image(client, name)]
    if not app_made and not os.environ.get("LAB_WHEELS"):
        absent.append(images.app)  # to build it, the app's packages are downloaded
    return absent


def make_images(app: str, run: RunContext) -> Images:
    """Pull and make what is missing, with progress. Raises EnvironmentFailed."""
    images = images_of(app)
    with engine() as client:
        if all(has_image(client, name) for name in (images.redis, images.app, images.data)):
            return images
        with locked(cache_folder() / "images.lock", run.report, "making the images"):
            _pull(client, images.redis, run)
            if not has_image(client, images.app):
                _pull(client, image("LAB_IMAGE_PYTHON"), run)
                run.report(f"making the image of the app on {image('LAB_IMAGE_PYTHON')}")
                _build_app(client, app, images.app)
            if not has_image(client, images.data):
                _pull(client, image("LAB_IMAGE_POSTGRES"), run)
                run.report(f"making the data on {image('LAB_IMAGE_POSTGRES')}, once for all later runs")
                run.report(f"data: {_build_data(app, images.data, run)}")
    return images


def _pull(client: DockerClient, name: str, run: RunContext) -> None:
    import docker

    if has_image(client, name):
        return
    run.report(f"pulling {name}")
    try:
        client.images.pull(name)
    except docker.errors.APIError as error:
        variable = next(one for one in IMAGES if image(one) == name)
        raise EnvironmentFailed(
            what=f"the image {name} cannot be had",
            why=str(error.explanation or error),
            do=f"docker pull {name}; {variable} names another image; or use --stack embedded",
        ) from error


def _context(app: str) -> list[tuple[str, Path]]:
    """The files that the app's image is built from, by their name in the build, in a fixed order."""
    spec = importlib.util.find_spec(app)
    folder = Path(spec.origin).parent if spec is not None and spec.origin else None
    if folder is None or not (folder / "Dockerfile").exists():
        raise LabError(
            f"the app {app} cannot be made into an image",
            where=str(folder or app),
            why="there is no such package with a Dockerfile in it",
            do="correct stack.app, or use --stack embedded",
        )
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    context = [(f"{app}/{path.relative_to(folder).as_posix()}", path) for path in files]
    if wheels := os.environ.get("LAB_WHEELS"):
        context += [(f".lab/wheels/{path.name}", path) for path in sorted(Path(wheels).glob("*.whl"))]
    return context


def _build_app(client: DockerClient, app: str, name: str) -> None:
    import docker

    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive, disk_words(Path(app)):
        for inside, path in _context(app):
            archive.add(path, arcname=inside)
    context.seek(0)
    try:
        client.images.build(
            fileobj=context,
            custom_context=True,
            dockerfile=f"{app}/Dockerfile",
            tag=name,
            buildargs={"PYTHON": image("LAB_IMAGE_PYTHON")},
            network_mode="none" if os.environ.get("LAB_WHEELS") else None,
            rm=True,
            forcerm=True,
        )
    except docker.errors.BuildError as error:
        said = "".join(str(part.get("stream", part.get("error", ""))) for part in error.build_log)
        raise EnvironmentFailed(
            what="the image of the app could not be built",
            where=name,
            why="\n".join(said.splitlines()[-15:]),
            do="where the build cannot reach a package index, LAB_WHEELS names a folder of wheels",
        ) from error


def _build_data(app: str, name: str, run: RunContext) -> str:
    """Start the base image on an empty folder, fill it, stop it cleanly, keep it as an image."""
    port = free_port()
    with docker_words("making the data"):
        joined = network(run.id).create()
        server = container(
            image("LAB_IMAGE_POSTGRES"),
            run.id,
            command=["postgres", *arguments(**WHILE_LOADING)],
            network=joined,
            environment=_DATA_ENVIRONMENT,
        )
        try:
            publish(server, {5432: port}).start()
            said = _fill(server, app, port)
            server.get_wrapped_container().stop(timeout=_STOP_S)
            repository, _, tag = name.partition(":")
            server.get_wrapped_container().commit(repository=repository, tag=tag)
        finally:
            server.stop()
            joined.remove()
            give_back(port)
    return said


def _fill(server: DockerContainer, app: str, port: int) -> str:
    wrapped = server.get_wrapped_container()
    wait_until(
        lambda: postgres_answers(superuser_url(port, "postgres")),
        living=lambda: is_up(wrapped),
        log=lambda lines: wrapped.logs(tail=lines).decode(errors="replace"),
        what=f"postgres of {image('LAB_IMAGE_POSTGRES')}",
        deadline_s=60,
    )
    create_database(port)
    return load_data(app, superuser_url(port))
