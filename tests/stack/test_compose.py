"""docker-compose.yml comes up with the images at hand and leaves nothing; its dashboard is not stale."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import docker
import pytest

from sample_app.app import create_app
from sample_app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
BOARD = ROOT / "observe" / "grafana" / "dashboards" / "shop.json"
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}

# setting: (official image, its stand-in where official ones cannot be pulled)
IMAGES = {
    "LAB_IMAGE_POSTGRES": ("postgres:18", "lab-standin-postgres:15"),
    "LAB_IMAGE_REDIS": ("valkey/valkey:9", "lab-standin-redis:7"),
    "LAB_IMAGE_PYTHON": ("python:3.13-slim", "lab-standin-python:3.11"),
}


@dataclass(frozen=True)
class Project:
    """A compose project of its own name, on ports of its own."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]

    def compose(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        command = [*self.command, "--project-name", self.name, "--file", str(ROOT / "docker-compose.yml")]
        return subprocess.run(
            [*command, *arguments], env=self.environment, cwd=ROOT,
            capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip

    def left_over(self) -> list[object]:
        """Containers, networks and volumes that still bear the project's name."""
        engine = docker.from_env()
        ours = {"label": f"com.docker.compose.project={self.name}"}
        found = [
            *engine.containers.list(all=True, filters=ours),
            *engine.networks.list(filters=ours),
            *engine.volumes.list(filters=ours),
        ]
        engine.close()
        return found


def _command() -> tuple[str, ...]:
    """Compose as a plug-in of docker, else the older command of its own."""
    plug_in = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    if plug_in.returncode == 0:
        return ("docker", "compose")
    if found := shutil.which("docker-compose"):
        return (found,)
    missing = "neither `docker compose` nor `docker-compose` is here"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


def _images() -> dict[str, str]:
    """What the settings name; else a stand-in where it is here and the official image is not."""
    engine = docker.from_env()
    here = {tag for image in engine.images.list() for tag in image.tags}
    engine.close()
    chosen = {
        setting: standin if standin in here and official not in here else official
        for setting, (official, standin) in IMAGES.items()
    }
    return chosen | {setting: os.environ[setting] for setting in IMAGES if setting in os.environ}


def _free_ports(count: int) -> list[str]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [str(bound.getsockname()[1]) for bound in sockets]


def _get(url: str) -> str:
    with urlopen(url, timeout=10) as answer:
        assert answer.status == 200
        text: str = answer.read().decode()
        return text


@pytest.fixture(scope="module")
def project(docker_or_skip: None) -> Iterator[Project]:
    ports = dict(zip(("LAB_PORT", "LAB_POSTGRES_PORT", "LAB_REDIS_PORT"), _free_ports(3), strict=True))
    one = Project(
        name=f"labtest{uuid.uuid4().hex[:8]}",
        command=_command(),
        environment={**os.environ, **_images(), **ports, "LAB_CODE": '"stampede": "single_flight"'},
    )
    try:
        up = one.compose("up", "--detach", "--build")
        logs = "" if up.returncode == 0 else one.compose("logs", "--tail", "30").stdout
        assert up.returncode == 0, f"{up.stdout[-3000:]}{up.stderr[-3000:]}{logs}"
        yield one
    finally:
        one.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")


@pytest.fixture(scope="module")
def url(project: Project) -> str:
    """The shop's address, once it says that it is healthy."""
    address = f"http://127.0.0.1:{project.environment['LAB_PORT']}"
    deadline = time.monotonic() + 30
    while True:
        try:
            _get(f"{address}/health")
        except OSError as error:  # URLError, HTTPError and a reset connection are all of this kind
            last_lines = project.compose("logs", "--tail", "20", "app").stdout
            assert time.monotonic() < deadline, f"not healthy within 30 s: {error}\n{last_lines}"
            time.sleep(0.2)
        else:
            return address


def test_shop_is_healthy_and_has_its_data(url: str) -> None:
    assert json.loads(_get(f"{url}/health"))["status"] == "ok"
    top = json.loads(_get(f"{url}/products/top"))
    assert top
    assert _get(f"{url}/products/1") == _get(f"{url}/products/1")
    assert "shop_request_seconds_bucket" in _get(f"{url}/metrics")


def test_everything_is_published_on_loopback_only(project: Project) -> None:
    engine = docker.from_env()
    ours = engine.containers.list(filters={"label": f"com.docker.compose.project={project.name}"})
    bindings = [bound for one in ours for published in one.ports.values() for bound in published or ()]
    engine.close()
    assert len(bindings) == 3
    assert {bound["HostIp"] for bound in bindings} == {"127.0.0.1"}


def test_down_leaves_nothing(project: Project) -> None:
    """Stands last: the project is gone afterwards."""
    assert project.left_over()
    down = project.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")
    assert down.returncode == 0, down.stderr
    assert project.left_over() == []


def _metrics_of(expression: str) -> set[str]:
    """The metrics that a PromQL expression reads: names that are no function, label, keyword or variable."""
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\b(by|without)\s*\([^)]*\)", " ", expression)
    names = set(re.findall(r"\b[a-zA-Z_:][\w:]*\b(?!\s*\()", bare))
    return names - {"and", "or", "unless", "by", "without", "on", "ignoring"}


def test_dashboard_reads_only_what_the_shop_exports() -> None:
    app = create_app(Settings())
    families = list(app.state.shop.metrics.registry.collect())
    exported = {family.name + end for family in families for end in SUFFIXES.get(family.type, ())}
    board = json.loads(BOARD.read_text())
    read = {
        target["expr"]: _metrics_of(target["expr"])
        for panel in board["panels"]
        for target in panel["targets"]
    }
    assert all(read.values())
    assert set().union(*read.values()) <= exported


def test_dashboard_is_provisioned_with_its_data_source() -> None:
    source = (ROOT / "observe" / "grafana" / "datasources" / "prometheus.yml").read_text()
    board = json.loads(BOARD.read_text())
    assert {f"uid: {panel['datasource']['uid']}" in source for panel in board["panels"]} == {True}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
