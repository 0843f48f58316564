"""One arm of containers: one for each service, which can be killed, in the network of one more.

The containers of an arm live in the network of another, which does nothing but hold it. So a killed
service leaves its address behind, and whoever connects is refused at once, as on any machine whose
server has died. With a network for each container its name and address would vanish along with it, and
what a client then meets depends on name servers and the ARP cache.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lab.errors import EnvironmentFailed
from lab.model.stack import ArmSpec, LinkPoint, RunContext, ServiceName
from lab.stacks._arm import ArmOfServices
from lab.stacks._container import Service
from lab.stacks._container_link import ContainerLink, inside
from lab.stacks._disk import disk_words
from lab.stacks._docker import Images, container, docker_words, network, publish
from lab.stacks._images import PGDATA
from lab.stacks._link import before, point, ports_for
from lab.stacks._ports import HOST, PortTaken, free_port, give_back
from lab.stacks._postgres import app_url, arguments, superuser_url
from lab.stacks._ready import (
    BALANCER_PATH,
    app_answers,
    postgres_answers,
    redis_answers,
    redis_version,
    wait_until,
)
from lab.stacks._shop import app_version, balancer_settings, changed, program, settings

_FOLDERS = {"postgres": PGDATA, "redis": "/data"}
_FOLDER = "/tmp"  # of the others
_SETTINGS_FILE = "/srv/settings.json"


class ContainerArm(ArmOfServices[Service]):
    """Implements ``lab.model.stack.Running``; see there."""

    def __init__(self, arm: ArmSpec, run: RunContext, images: Images) -> None:
        self.name = arm.name
        self.versions: Mapping[str, str] = {}
        self._logs = run.folder / "logs" / arm.name
        self._ports = {name: free_port() for name in (*arm.names, *ports_for(arm))}
        self._inside = inside(arm)
        self.url = f"http://{HOST}:{self._ports[arm.front]}"
        self.dsn = superuser_url(self._ports["postgres"]) if "postgres" in self._ports else ""
        self.redis_url = f"redis://{HOST}:{self._ports['redis']}/0" if "redis" in self._ports else ""
        self._arm = self._made = arm
        self._run, self._images = run, images
        self._network = network(run.id)
        self._holder = container(
            images.app, run.id, command=["infinity"], entrypoint=["sleep"], network=self._network
        )
        publish(self._holder, {self._inside[service]: port for service, port in self._ports.items()})
        self._services: dict[str, Service] = {}
        self._link = ContainerLink(arm, run.seed, self._ports, self._inside, self._beside_app)

    def up(self) -> None:
        """Start everything. Raises PortTaken, EnvironmentFailed; then call ``stop``."""
        with disk_words(self._logs):
            self._logs.mkdir(parents=True, exist_ok=True)
        with docker_words("starting the containers"):
            self._network.create()
            self._hold_ports()
        self._link.up()
        self._create(
            *self._servers(), *map(self._app, self._made.apps)
        )  # they import while Postgres comes up
        if self.front not in self._made.apps:
            self._create(self._app(self.front))
        self.versions = self._versions()

    def _create(self, *services: Service) -> None:
        """Side by side."""
        for service in services:
            self._services[service.service] = service
            service.create()
        for service in services:
            self._wait(service.service)

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

    def _app(self, service: str) -> Service:
        command = [
            "python3", *program(self._arm, service), "--host", "0.0.0.0",
            "--port", str(self._inside[service]), "--settings", _SETTINGS_FILE,
        ]  # fmt: skip
        files = {_SETTINGS_FILE: self._document(service)}
        return self._service(service, self._images.app, command, files=files)

    def _beside_app(self, name: str, command: list[str], **more: Any) -> Service:
        return self._service(name, self._images.app, command, **more)

    def _document(self, service: str) -> bytes:
        if service not in self._arm.apps:
            asked = [f"http://{HOST}:{self._port_through(name)}" for name in self._arm.apps]
            return balancer_settings(self._arm, asked)
        database = app_url(HOST, self._port_through("postgres")) if self.dsn else ""
        redis = f"redis://{HOST}:{self._port_through('redis')}/0" if self.redis_url else ""
        return settings(self._arm, database, redis)

    def _port_through(self, service: str) -> int:
        """Inside, of the link before it, where there is one."""
        return self._inside[before(service) if service in self._arm.links else service]

    def _apps(self) -> tuple[str, ...]:
        """The instances, and the balancer where there is one: those that read a settings document."""
        return tuple(dict.fromkeys((*self._made.apps, self._made.front)))

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
        if service in self._made.apps:
            return app_answers(self._ports[service], self._made.processes)
        return app_answers(self._ports[service], path=BALANCER_PATH)

    def _wait(self, name: str) -> None:
        service = self._services[name]
        wait_until(lambda: self._answers(name), living=service.alive, log=service.last_lines, what=name)

    def cpu_seconds(self, service: ServiceName | None = None) -> float:
        """With that of the link where it is asked of the whole arm: no other account has the link's container."""
        if service is not None:
            return self._one(service).cpu_seconds()
        return self._link.cpu_seconds() + sum(one.cpu_seconds() for one in self._services.values())

    def start(self, service: ServiceName) -> None:
        self._one(service).start()
        self._wait(service)

    def restart_app(
        self, *, code: Mapping[str, str | None] | None = None, settings: Mapping[str, object] | None = None
    ) -> None:
        before = {name: self._document(name) for name in self._apps()}
        self._arm = changed(self._arm, self._made, code, settings)
        for name, was in before.items():
            if self._document(name) != was or not self.alive(name):
                self._services[name].write(_SETTINGS_FILE, self._document(name))
                self.restart(name)

    def remove_file(self, service: ServiceName, path: str) -> None:
        self._one(service).remove_file(path)

    def data_folder(self, service: ServiceName) -> str:
        return _FOLDERS.get(service, _FOLDER)

    def link(self, service: ServiceName) -> LinkPoint:
        return point(self._link.points, service, self.name)

    def stop(self) -> None:
        """All at once and by force: the data is thrown away, so nothing is owed a goodbye."""
        with ThreadPoolExecutor(max_workers=8) as pool:
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
