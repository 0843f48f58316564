"""The link of an arm of containers: one more container of the app's image, in the network that they share."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

import lab
from lab.link.client import LinkClient
from lab.model.stack import ArmSpec, LinkPoint
from lab.stacks._container import Service
from lab.stacks._link import API, answering, before, made
from lab.stacks._ports import HOST
from lab.stacks._ready import wait_until

_SERVERS = {"postgres": 5432, "redis": 6379}
_FIRST_APP = 8000
_BEFORE = 10_000  # a link listens so many ports above what stands behind it
_API = 8474
_PROGRAM = "/tmp/link.zip"
_ANYWHERE = "0.0.0.0"  # in the network of the arm, of which only 127.0.0.1 of this machine gets to see ports


def inside(arm: ArmSpec) -> dict[str, int]:
    """The ports of an arm's services and links in the network that all of them share."""
    apps = {name: _FIRST_APP + n for n, name in enumerate(dict.fromkeys((arm.front, *arm.apps)))}
    ports = {**apps, **{name: _SERVERS[name] for name in arm.services}}
    return {API: _API, **ports, **{before(name): _BEFORE + ports[name] for name in arm.links}}


class ContainerLink:
    """Implements ``lab.stacks._link.Links``. ``ports`` are those published, ``inside`` those in there; ``service``
    makes a container of the arm from its name, command and further words."""

    def __init__(
        self,
        arm: ArmSpec,
        seed: int,
        ports: Mapping[str, int],
        inside: Mapping[str, int],
        service: Callable[..., Service],
    ) -> None:
        self._arm, self._seed, self._ports, self._inside, self._make = arm, seed, ports, inside, service
        self._service: Service | None = None
        self.points: dict[str, LinkPoint] = {}

    def up(self) -> None:
        if not self._arm.links:
            return
        words = ["--host", _ANYWHERE, "--port", str(_API), "--seed", str(self._seed)]
        running = self._service = self._make(
            "link",
            ["python3", "-m", "lab.link", *words],
            files={_PROGRAM: _program()},
            environment={"PYTHONPATH": _PROGRAM},
        )
        running.create()
        client = LinkClient(f"http://{HOST}:{self._ports[API]}")
        wait_until(answering(client), living=running.alive, log=running.last_lines, what="the link")
        for name in sorted(self._arm.links):
            made(client, name, (_ANYWHERE, self._inside[before(name)]), (HOST, self._inside[name]))
            here, there = (HOST, self._ports[before(name)]), (HOST, self._ports[name])
            self.points[name] = LinkPoint(api=client.url, proxy=name, listen=here, direct=there)

    def cpu_seconds(self) -> float:
        """CPU time of its container; 0.0 without one."""
        return 0.0 if self._service is None else self._service.cpu_seconds()

    def stop(self) -> None:
        if self._service is not None:
            self._service.remove()


@lru_cache(maxsize=1)
def _program() -> bytes:
    """The link with all that it imports of the lab, as a zip file that Python imports from."""
    root = Path(lab.__file__).parent
    files = [root / "__init__.py", root / "errors.py", *sorted((root / "link").rglob("*.py"))]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.relative_to(root.parent))
    return packed.getvalue()
