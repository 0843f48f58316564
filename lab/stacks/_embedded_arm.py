"""One arm of embedded servers: Postgres on a clone of the data, Valkey and the app."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from lab.errors import EnvironmentFailed
from lab.model.stack import ArmSpec, LinkPoint, RunContext, ServiceName
from lab.stacks._arm import ArmOfServices
from lab.stacks._disk import clone, disk_words, remove
from lab.stacks._link import before, links_of, point, ports_for
from lab.stacks._ports import HOST, PortTaken, free_port, give_back, is_free
from lab.stacks._postgres import app_url, superuser_url
from lab.stacks._process import Server
from lab.stacks._ready import BALANCER_PATH, app_answers, redis_answers, wait_until
from lab.stacks._shop import balancer_settings, changed, command, environment, settings
from lab.stacks._template import Postgres, wait_for

_APP_ASKED_S = 2.0


class EmbeddedArm(ArmOfServices[Server]):
    """Implements ``lab.model.stack.Running``; see there."""

    def __init__(
        self,
        arm: ArmSpec,
        run: RunContext,
        folder: Path,
        postgres: Postgres,
        redis: Path,
        versions: Mapping[str, str],
    ) -> None:
        self.name = arm.name
        self._arm = self._made = arm
        self.versions = versions
        self._folder = folder
        self._data = folder / "postgres"
        self._logs = run.folder / "logs" / arm.name
        self._ports = {name: free_port() for name in (*arm.names, *ports_for(arm))}
        self.url = f"http://{HOST}:{self._ports[arm.front]}"
        self.dsn = superuser_url(self._ports["postgres"]) if "postgres" in self._ports else ""
        self.redis_url = f"redis://{HOST}:{self._ports['redis']}/0" if "redis" in self._ports else ""
        self._links = links_of(arm, run, self._log("link"), folder, self._ports)
        self._services: dict[str, Server] = {}
        if "postgres" in self._ports:
            self._services["postgres"] = postgres.server(
                self._data, self._ports["postgres"], self._log("postgres"), run
            )
        if "redis" in self._ports:
            self._services["redis"] = self._redis(redis, run)
        for service in self._apps():
            self._services[service] = self._app(service, run)

    def _log(self, service: str) -> Path:
        return self._logs / f"{service}.log"

    def _apps(self) -> tuple[str, ...]:
        """The instances, and the balancer where there is one: those that read a settings document."""
        return tuple(dict.fromkeys((*self._made.apps, self._made.front)))

    def _redis(self, binary: Path, run: RunContext) -> Server:
        port = str(self._ports["redis"])
        return Server(
            service="redis",
            command=[
                str(binary), "--port", port, "--bind", HOST, "--dir", str(self._folder), "--save", "",
                "--appendonly", "no", "--daemonize", "no",
            ],
            folder=self._folder,
            log=self._log("redis"),
            port=self._ports["redis"],
            own=run.own,
        )  # fmt: skip

    def _app(self, service: str, run: RunContext) -> Server:
        return Server(
            service=service,
            command=command(self._arm, service, self._ports[service]),
            folder=self._folder,
            log=self._log(service),
            port=self._ports[service],
            own=run.own,
            stdin=self._document(service),
            environment=environment(),
        )

    def _document(self, service: str) -> bytes:
        if service not in self._arm.apps:
            asked = [f"http://{HOST}:{self._port_through(name)}" for name in self._arm.apps]
            return balancer_settings(self._arm, asked)
        database = app_url(HOST, self._port_through("postgres")) if self.dsn else ""
        redis = f"redis://{HOST}:{self._port_through('redis')}/0" if self.redis_url else ""
        return settings(self._arm, database, redis)

    def _port_through(self, service: str) -> int:
        """Of the link before it, where there is one."""
        return self._ports[before(service) if service in self._arm.links else service]

    def up(self, template: Path) -> None:
        """Clone the data and start everything. Raises PortTaken, EnvironmentFailed; then call ``stop``."""
        with disk_words(self._logs):
            self._logs.mkdir(parents=True, exist_ok=True)
        if self.dsn:
            clone(template, self._data)
        servers = [name for name in ("redis", "postgres") if name in self._services]
        for service in servers:
            self._services[service].spawn()
        self._links.up()
        for service in reversed(servers):
            self._wait(service)
        self._start(self._made.apps)
        self._start([name for name in (self._made.front,) if name not in self._made.apps])

    def _start(self, services: Sequence[str]) -> None:
        """Side by side."""
        for service in services:
            self._services[service].spawn()
        for service in services:
            self._wait(service)

    def _wait(self, service: str) -> None:
        server = self._services[service]
        if service == "postgres":
            wait_for(server, "shop")
            return
        try:
            wait_until(
                lambda: self._answers(server), living=server.alive, log=server.last_lines, what=service
            )
        except EnvironmentFailed as error:
            if not server.alive() and not is_free(server.port):
                raise PortTaken(error.what, f"{HOST}:{server.port}", error.why, "free the port") from error
            raise

    def _answers(self, server: Server) -> bool:
        if server.service == "redis":
            return redis_answers(server.port)
        if server.service in self._made.apps:
            return app_answers(server.port, self._made.processes)
        return app_answers(server.port, path=BALANCER_PATH)

    def cpu_seconds(self, service: ServiceName | None = None) -> float:
        chosen = self._services.values() if service is None else [self._one(service)]
        return sum(server.cpu_seconds() for server in chosen)

    def start(self, service: ServiceName) -> None:
        server = self._one(service)
        if not server.alive():
            server.spawn()
        self._wait(service)

    def restart_app(
        self, *, code: Mapping[str, str | None] | None = None, settings: Mapping[str, object] | None = None
    ) -> None:
        self._arm = changed(self._arm, self._made, code, settings)
        for service in self._apps():
            app, document = self._services[service], self._document(service)
            if app.stdin != document or not app.alive():
                app.stdin = document
                self.restart(service)

    def remove_file(self, service: ServiceName, path: str) -> None:
        file = Path(self.data_folder(service), path)
        with disk_words(file):
            file.unlink(missing_ok=True)

    def data_folder(self, service: ServiceName) -> str:
        return str(self._one(service).folder)

    def link(self, service: ServiceName) -> LinkPoint:
        return point(self._links.points, service, self.name)

    def stop(self) -> None:
        asks: dict[str, str | None] = {"redis": None, "postgres": "SIGQUIT"}
        with ExitStack() as last_first:  # each of them, though another one raises
            last_first.callback(remove, self._folder)
            last_first.callback(give_back, *self._ports.values())
            last_first.callback(self._links.stop)
            for service in reversed(self._made.names):
                if service in self._services:
                    ask = asks.get(service, "SIGTERM")
                    last_first.callback(self._services[service].end, ask, _APP_ASKED_S)
