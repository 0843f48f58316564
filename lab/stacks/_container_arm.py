"""One arm of containers: four that share one network, of which three can be killed.

The containers of an arm live in the network of a fourth, which does nothing but hold it. So a killed
service leaves its address behind, and whoever connects is refused at once, as on any machine whose
server has died. With a network for each container its name and address would vanish along with it, and
what a client then meets depends on name servers and the ARP cache.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

from lab.errors import EnvironmentFailed
from lab.model.stack import ArmSpec, LinkPoint, RunContext, ServiceName
from lab.stacks._container import Service
from lab.stacks._container_link import INSIDE, ContainerLink
from lab.stacks._disk import disk_words
from lab.stacks._docker import Images, container, docker_words, network, publish
from lab.stacks._images import PGDATA
from lab.stacks._link import before, point, ports_for
from lab.stacks._ports import HOST, PortTaken, free_port, give_back
from lab.stacks._postgres import ASK, app_url, arguments, superuser_url
from lab.stacks._ready import app_answers, postgres_answers, redis_answers, redis_version, wait_until
from lab.stacks._shop import app_version, changed, settings

_INSIDE = {"app": 8000, "postgres": 5432, "redis": 6379, **INSIDE}
_FOLDERS = {"app": "/tmp", "postgres": PGDATA, "redis": "/data"}
_SETTINGS_FILE = "/srv/settings.json"
_SERVER_ASKED_S = 5.0


class ContainerArm:
    """Implements ``lab.model.stack.Running``; see there."""

    def __init__(self, arm: ArmSpec, run: RunContext, images: Images) -> None:
        self.name = arm.name
        self.versions: Mapping[str, str] = {}
        self._logs = run.folder / "logs" / arm.name
        self._ports = {name: free_port() for name in ("app", *arm.services, *ports_for(arm))}
        self.url = f"http://{HOST}:{self._ports['app']}"
        self.dsn = superuser_url(self._ports["postgres"]) if "postgres" in self._ports else ""
        self.redis_url = f"redis://{HOST}:{self._ports['redis']}/0" if "redis" in self._ports else ""
        self._arm = self._made = arm
        self._run, self._images = run, images
        self._network = network(run.id)
        self._holder = container(
            images.app, run.id, command=["infinity"], entrypoint=["sleep"], network=self._network
        )
        publish(self._holder, {_INSIDE[service]: port for service, port in self._ports.items()})
        self._services: dict[str, Service] = {}
        self._link = ContainerLink(arm, run.seed, self._ports, _INSIDE, self._beside_app)

    def up(self) -> None:
        """Start everything. Raises PortTaken, EnvironmentFailed; then call ``stop``."""
        with disk_words(self._logs):
            self._logs.mkdir(parents=True, exist_ok=True)
        with docker_words("starting the containers"):
            self._network.create()
            self._hold_ports()
        self._link.up()
        for service in [*self._servers(), self._app()]:  # the app imports while Postgres comes up
            self._services[service.service] = service
            service.create()
        for name in self._services:
            self._wait(name)
        self.versions = self._versions()

    def _hold_ports(self) -> None:
        import docker

        try:
            self._holder.start()
        except docker.errors.APIError as error:
            said = str(error.explanation)
            if "already allocated" in said or "address already in use" in said:
                ports = ", ".join(map(str, self._ports.values()))
                raise PortTaken(
                    "a port was taken", f"{HOST}, one of {ports}", said, "free the port"
                ) from error
            raise

    def _service(self, name: str, image: str, command: list[str], **more: Any) -> Service:
        shared = f"container:{self._holder.get_container_id()}"
        made = container(image, self._run.id, command=command, network_mode=shared, **more)
        return Service(service=name, made=made, log=self._logs / f"{name}.log")

    def _servers(self) -> list[Service]:
        made = []
        if self.redis_url:
            keep_nothing = ["--save", "", "--appendonly", "no"]
            made.append(self._service("redis", self._images.redis, keep_nothing))
        if self.dsn:
            # As root the entrypoint would first see to the owner of every file, and touching a file of an
            # image's layer copies it: 200 MB before the server starts.
            command = ["postgres", *arguments()]
            made.append(self._service("postgres", self._images.data, command, user="postgres"))
        return made

    def _app(self) -> Service:
        command = [
            "python3", "-m", self._arm.app, "--host", "0.0.0.0", "--port", str(_INSIDE["app"]),
            "--processes", str(self._arm.processes), "--settings", _SETTINGS_FILE,
        ]  # fmt: skip
        files = {_SETTINGS_FILE: self._document()}
        return self._service("app", self._images.app, command, files=files)

    def _beside_app(self, name: str, command: list[str], **more: Any) -> Service:
        return self._service(name, self._images.app, command, **more)

    def _document(self) -> bytes:
        database = app_url(HOST, self._port_for_app("postgres")) if self.dsn else ""
        redis = f"redis://{HOST}:{self._port_for_app('redis')}/0" if self.redis_url else ""
        return settings(self._arm, database, redis)

    def _port_for_app(self, service: str) -> int:
        return _INSIDE[before(service) if service in self._arm.links else service]

    def _versions(self) -> Mapping[str, str]:
        versions = {"app": app_version()}
        if self.redis_url:
            versions["redis"] = redis_version(self._ports["redis"])
        if self.dsn:
            import psycopg

            with psycopg.connect(self.dsn) as connection:
                versions["postgres"] = str(connection.info.parameter_status("server_version")).split()[0]
        return versions

    def _answers(self, service: str) -> bool:
        if service == "postgres":
            return postgres_answers(self.dsn)
        if service == "redis":
            return redis_answers(self._ports["redis"])
        return app_answers(self._ports["app"], self._arm.processes)

    def _wait(self, name: str) -> None:
        service = self._services[name]
        wait_until(lambda: self._answers(name), living=service.alive, log=service.last_lines, what=name)

    def logs(self, service: ServiceName, lines: int = 20) -> str:
        return self._services[service].last_lines(lines)

    def cpu_seconds(self, service: ServiceName | None = None) -> float:
        """With that of the link where it is asked of the whole arm: no other account has the link's container."""
        if service is not None:
            return self._services[service].cpu_seconds()
        return self._link.cpu_seconds() + sum(one.cpu_seconds() for one in self._services.values())

    def memory_mb(self, service: ServiceName) -> float:
        return self._services[service].memory_mb()

    def alive(self, service: ServiceName) -> bool:
        return self._services[service].alive()

    def kill(self, service: ServiceName) -> None:
        self._services[service].kill()

    def start(self, service: ServiceName) -> None:
        self._services[service].start()
        self._wait(service)

    def restart(self, service: ServiceName) -> None:
        """As an administrator does it: asked to end, then started. Redis comes back empty."""
        self.end(service, _SERVER_ASKED_S)
        self.start(service)

    def restart_app(
        self, *, code: Mapping[str, str | None] | None = None, settings: Mapping[str, object] | None = None
    ) -> None:
        before = self._document()
        self._arm = changed(self._arm, self._made, code, settings)
        if self._document() != before or not self.alive("app"):
            self._services["app"].write(_SETTINGS_FILE, self._document())
            self.restart("app")

    def end(self, service: ServiceName, grace_s: float) -> str:
        return self._services[service].end(ASK[service], grace_s)

    def life(self, service: ServiceName) -> str:
        return self._services[service].life()

    def pids(self, service: ServiceName, *, beside: bool = False) -> tuple[int, ...]:
        return tuple(self._services[service].pids(beside=beside))

    def pause(self, service: ServiceName) -> None:
        self._services[service].pause()

    def resume(self, service: ServiceName) -> None:
        self._services[service].resume()

    def limit_cpu(self, service: ServiceName, cores: float) -> AbstractContextManager[Mapping[str, Any]]:
        return self._services[service].limit_cpu(cores)

    def limit_memory(self, service: ServiceName, size: float) -> AbstractContextManager[Mapping[str, Any]]:
        return self._services[service].limit_memory(size)

    def memory_limit(self, service: ServiceName) -> float | None:
        return self._services[service].memory_limit()

    def beside(self, service: ServiceName, *command: str) -> AbstractContextManager[None]:
        return self._services[service].beside(command)

    def run(self, service: ServiceName, *command: str) -> str:
        return self._services[service].run(command)

    def remove_file(self, service: ServiceName, path: str) -> None:
        self._services[service].remove_file(path)

    def data_folder(self, service: ServiceName) -> str:
        return _FOLDERS[service]

    def link(self, service: ServiceName) -> LinkPoint:
        return point(self._link.points, service, self.name)

    def freeze(self) -> None:
        for name in ("app", "redis", "postgres"):
            if name in self._services:
                self._services[name].freeze()

    def thaw(self) -> None:
        for name in ("postgres", "redis", "app"):
            if name in self._services:
                self._services[name].thaw()

    def stop(self) -> None:
        """All at once and by force: the data is thrown away, so nothing is owed a goodbye."""
        with ThreadPoolExecutor(max_workers=3) as pool:
            removals = [self._link.stop, *(service.remove for service in self._services.values())]
            ended = [pool.submit(remove) for remove in removals]
        give_back(*self._ports.values())
        self._remove_network()
        for problem in filter(None, (one.exception() for one in ended)):
            raise problem

    def _remove_network(self) -> None:
        with _unless_gone(), docker_words("removing the network"):
            self._holder.stop()
            self._holder._container = None
            if self._network._network is not None:
                self._network.remove()
                self._network._network = None


@contextlib.contextmanager
def _unless_gone() -> Iterator[None]:
    import docker

    try:
        yield
    except EnvironmentFailed as error:
        if not isinstance(error.__cause__, docker.errors.NotFound):
            raise
