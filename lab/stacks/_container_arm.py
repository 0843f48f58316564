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
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import EnvironmentFailed
from lab.model.stack import ArmSpec, RunContext, ServiceName
from lab.stacks._disk import disk_words
from lab.stacks._docker import container, docker_words, image, network, publish
from lab.stacks._images import app_image, data_image, is_up
from lab.stacks._ports import HOST, PortTaken, free_port, give_back
from lab.stacks._postgres import app_url, arguments, superuser_url
from lab.stacks._ready import app_answers, postgres_answers, redis_answers, redis_version, tail, wait_until
from lab.stacks._shop import app_version, settings

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

_INSIDE = {"app": 8000, "postgres": 5432, "redis": 6379}
_SETTINGS_FILE = "/srv/settings.json"
_ASKED_S = 5


class ContainerArm:
    """Implements ``lab.model.stack.Running``; see there."""

    def __init__(self, arm: ArmSpec, run: RunContext) -> None:
        self.name = arm.name
        self.versions: Mapping[str, str] = {}
        self._logs = run.folder / "logs" / arm.name
        self._ports = {service: free_port() for service in ("app", *arm.services)}
        self.url = f"http://{HOST}:{self._ports['app']}"
        self.dsn = superuser_url(self._ports["postgres"]) if "postgres" in self._ports else ""
        self.redis_url = f"redis://{HOST}:{self._ports['redis']}/0" if "redis" in self._ports else ""
        self._network = network(run.id)
        self._holder = container(
            app_image(arm.app), run.id, command=["infinity"], entrypoint=["sleep"], network=self._network
        )
        publish(self._holder, {_INSIDE[service]: port for service, port in self._ports.items()})
        self._run = run
        self._arm = arm
        self._services: dict[str, DockerContainer] = {}
        self._cpu_ended_s = dict.fromkeys(self._ports, 0.0)
        self._cpu_last_s = dict.fromkeys(self._ports, 0.0)

    def up(self) -> None:
        """Start everything. Raises PortTaken, EnvironmentFailed; then call ``stop``."""
        with disk_words(self._logs):
            self._logs.mkdir(parents=True, exist_ok=True)
        with docker_words("starting the containers"):
            self._network.create()
            self._hold_ports()
            self._services = self._made()
            for service in self._services.values():
                service.start()
        for service in self._services:
            self._wait(service)
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

    def _made(self) -> dict[str, DockerContainer]:
        """The services in the order in which they start: the app imports while Postgres comes up."""
        shared: dict[str, Any] = {"network_mode": f"container:{self._holder.get_container_id()}"}
        made: dict[str, DockerContainer] = {}
        if self.redis_url:
            keep_nothing = ["--save", "", "--appendonly", "no"]
            made["redis"] = container(image("LAB_IMAGE_REDIS"), self._run.id, command=keep_nothing, **shared)
        if self.dsn:
            command = ["postgres", *arguments()]
            made["postgres"] = container(data_image(self._arm.app), self._run.id, command=command, **shared)
        command = [
            "python3", "-m", self._arm.app, "--host", "0.0.0.0", "--port", str(_INSIDE["app"]),
            "--processes", str(self._arm.processes), "--settings", _SETTINGS_FILE,
        ]  # fmt: skip
        database = app_url(HOST, _INSIDE["postgres"]) if self.dsn else ""
        redis = f"redis://{HOST}:{_INSIDE['redis']}/0" if self.redis_url else ""
        files = {_SETTINGS_FILE: settings(self._arm, database, redis)}
        made["app"] = container(
            app_image(self._arm.app), self._run.id, command=command, files=files, **shared
        )
        return made

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
        return (redis_answers if service == "redis" else app_answers)(self._ports[service])

    def _wait(self, service: str) -> None:
        wrapped = self._services[service].get_wrapped_container()
        wait_until(
            lambda: self._answers(service),
            living=lambda: is_up(wrapped),
            log=lambda lines: self.logs(service, lines),  # type: ignore[arg-type]
            what=service,
        )

    def logs(self, service: ServiceName, lines: int = 20) -> str:
        """From the engine while the container is there, then from the file that ``stop`` has written."""
        import docker

        made = self._services.get(service)
        if made is not None:
            with contextlib.suppress(docker.errors.APIError):
                said: bytes = made.get_wrapped_container().logs(tail=lines)
                return said.decode(errors="replace").rstrip("\n")
        return tail(self._log(service), lines)

    def _log(self, service: str) -> Path:
        return self._logs / f"{service}.log"

    def cpu_seconds(self) -> float:
        return sum(self._cpu_of(service) for service in self._services)

    def _cpu_of(self, service: str) -> float:
        """Of all the lives of the container: the engine counts from its last start."""
        wrapped = self._services[service].get_wrapped_container()
        with docker_words(f"reading the CPU time of {service}"):
            usage = wrapped.stats(stream=False, one_shot=True)["cpu_stats"]["cpu_usage"]
        now = usage.get("total_usage", 0) / 1e9
        self._cpu_last_s[service] = max(now, self._cpu_last_s[service])
        return self._cpu_ended_s[service] + self._cpu_last_s[service]

    def _count_ended(self, service: str) -> None:
        self._cpu_ended_s[service] = self._cpu_of(service)
        self._cpu_last_s[service] = 0.0

    def alive(self, service: ServiceName) -> bool:
        with docker_words(f"looking at {service}"):
            return is_up(self._services[service].get_wrapped_container())

    def kill(self, service: ServiceName) -> None:
        if not self.alive(service):
            return
        wrapped = self._services[service].get_wrapped_container()
        with docker_words(f"killing {service}"):
            self._count_ended(service)
            wrapped.kill("SIGKILL")
            wrapped.wait(timeout=20)

    def start(self, service: ServiceName) -> None:
        if not self.alive(service):
            with docker_words(f"starting {service}"):
                self._services[service].get_wrapped_container().start()
        self._wait(service)

    def restart(self, service: ServiceName) -> None:
        """As an administrator does it: asked to end, then started. Redis comes back empty."""
        with docker_words(f"restarting {service}"):
            if self.alive(service):
                self._count_ended(service)
            self._services[service].get_wrapped_container().restart(timeout=_ASKED_S)
        self._wait(service)

    def freeze(self) -> None:
        for service in ("app", "redis", "postgres"):
            self._turn(service, "running", "pause")

    def thaw(self) -> None:
        for service in ("postgres", "redis", "app"):
            self._turn(service, "paused", "unpause")

    def _turn(self, service: str, when: str, act: str) -> None:
        """Pause or unpause, where the container is there and in the state for it."""
        if service not in self._services:
            return
        wrapped = self._services[service].get_wrapped_container()
        with docker_words(f"{act} of {service}"):
            wrapped.reload()
            if wrapped.status == when:
                getattr(wrapped, act)()

    def stop(self) -> None:
        """All at once and by force: the data is thrown away, so nothing is owed a goodbye."""
        with ThreadPoolExecutor(max_workers=4) as pool:
            endings = list(pool.map(self._end, self._services.items()))
        self._services = {}
        give_back(*self._ports.values())
        problems = [*endings, self._remove_network()]
        for problem in filter(None, problems):
            raise problem

    def _end(self, entry: tuple[str, DockerContainer]) -> EnvironmentFailed | None:
        """Keep the log, remove the container; what went wrong, if something did."""
        service, made = entry
        import docker

        with (
            _kept() as kept,
            docker_words(f"removing {service}"),
            contextlib.suppress(docker.errors.NotFound),
        ):
            if made._container is not None:
                with disk_words(self._logs), self._log(service).open("wb") as log:
                    for part in made.get_wrapped_container().logs(stream=True, follow=False):
                        log.write(part)
            made.stop()
        return kept[0] if kept else None

    def _remove_network(self) -> EnvironmentFailed | None:
        import docker

        with (
            _kept() as kept,
            docker_words("removing the network"),
            contextlib.suppress(docker.errors.NotFound),
        ):
            self._holder.stop()
            if self._network._network is not None:
                self._network.remove()
        return kept[0] if kept else None


@contextlib.contextmanager
def _kept() -> Iterator[list[EnvironmentFailed]]:
    """Keep the error of the body, so that the removal of the rest goes on."""
    errors: list[EnvironmentFailed] = []
    try:
        yield errors
    except EnvironmentFailed as error:
        errors.append(error)
