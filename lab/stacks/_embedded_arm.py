"""One arm of embedded servers: Postgres on a clone of the data, Valkey and the app."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from lab.errors import EnvironmentFailed
from lab.model.stack import ArmSpec, LinkPoint, RunContext, ServiceName
from lab.stacks._disk import clone, disk_words, remove
from lab.stacks._link import before, links_of, point, ports_for
from lab.stacks._ports import HOST, PortTaken, free_port, give_back, is_free
from lab.stacks._postgres import ASK, app_url, superuser_url
from lab.stacks._process import Server
from lab.stacks._ready import app_answers, redis_answers, tail, wait_until
from lab.stacks._shop import changed, command, environment, settings
from lab.stacks._template import Postgres, wait_for

_APP_ASKED_S = 2.0
_SERVER_ASKED_S = 5.0


class EmbeddedArm:
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
        self._processes = arm.processes
        self._folder = folder
        self._data = folder / "postgres"
        self._logs = run.folder / "logs" / arm.name
        self._ports = {name: free_port() for name in ("app", *arm.services, *ports_for(arm))}
        self.url = f"http://{HOST}:{self._ports['app']}"
        self.dsn = superuser_url(self._ports["postgres"]) if "postgres" in self._ports else ""
        self.redis_url = f"redis://{HOST}:{self._ports['redis']}/0" if "redis" in self._ports else ""
        self._links = links_of(arm, run, self._log("link"), folder, self._ports)
        self._servers: dict[str, Server] = {}
        if "postgres" in self._ports:
            self._servers["postgres"] = postgres.server(
                self._data, self._ports["postgres"], self._log("postgres"), run
            )
        if "redis" in self._ports:
            self._servers["redis"] = self._redis(redis, run)
        self._servers["app"] = self._app(arm, run)

    def _log(self, service: str) -> Path:
        return self._logs / f"{service}.log"

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

    def _app(self, arm: ArmSpec, run: RunContext) -> Server:
        return Server(
            service="app",
            command=command(arm, self._ports["app"]),
            folder=self._folder,
            log=self._log("app"),
            port=self._ports["app"],
            own=run.own,
            stdin=self._document(),
            environment=environment(),
        )

    def _document(self) -> bytes:
        database = app_url(HOST, self._port_for_app("postgres")) if self.dsn else ""
        redis = f"redis://{HOST}:{self._port_for_app('redis')}/0" if self.redis_url else ""
        return settings(self._arm, database, redis)

    def _port_for_app(self, service: str) -> int:
        return self._ports[before(service) if service in self._arm.links else service]

    def up(self, template: Path) -> None:
        """Clone the data and start everything. Raises PortTaken, EnvironmentFailed; then call ``stop``."""
        with disk_words(self._logs):
            self._logs.mkdir(parents=True, exist_ok=True)
        if self.dsn:
            clone(template, self._data)
        for service in ("redis", "postgres"):
            if service in self._servers:
                self._servers[service].spawn()
        self._links.up()
        for service in ("postgres", "redis"):
            if service in self._servers:
                self._wait(service)
        self._servers["app"].spawn()
        self._wait("app")

    def _wait(self, service: str) -> None:
        server = self._servers[service]
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
        return app_answers(server.port, self._processes)

    def logs(self, service: ServiceName, lines: int = 20) -> str:
        return tail(self._log(service), lines)

    def cpu_seconds(self, service: ServiceName | None = None) -> float:
        chosen = self._servers.values() if service is None else [self._servers[service]]
        return sum(server.cpu_seconds() for server in chosen)

    def memory_mb(self, service: ServiceName) -> float:
        return self._servers[service].memory_mb()

    def alive(self, service: ServiceName) -> bool:
        return self._servers[service].alive()

    def kill(self, service: ServiceName) -> None:
        self._servers[service].kill()

    def start(self, service: ServiceName) -> None:
        server = self._servers[service]
        if not server.alive():
            server.spawn()
        self._wait(service)

    def restart(self, service: ServiceName) -> None:
        """As an administrator does it: asked to end, then started. Redis comes back empty."""
        self.end(service, _SERVER_ASKED_S)
        self.start(service)

    def restart_app(
        self, *, code: Mapping[str, str | None] | None = None, settings: Mapping[str, object] | None = None
    ) -> None:
        self._arm = changed(self._arm, self._made, code, settings)
        app, document = self._servers["app"], self._document()
        if app.stdin != document or not app.alive():
            app.stdin = document
            self.restart("app")

    def end(self, service: ServiceName, grace_s: float) -> str:
        return self._servers[service].end(ASK[service], grace_s)

    def life(self, service: ServiceName) -> str:
        return self._servers[service].life()

    def pids(self, service: ServiceName, *, beside: bool = False) -> tuple[int, ...]:
        return tuple(self._servers[service].pids(beside=beside))

    def pause(self, service: ServiceName) -> None:
        self._servers[service].pause()

    def resume(self, service: ServiceName) -> None:
        self._servers[service].resume()

    def limit_cpu(self, service: ServiceName, cores: float) -> AbstractContextManager[Mapping[str, Any]]:
        return self._servers[service].limit_cpu(cores)

    def limit_memory(self, service: ServiceName, size: float) -> AbstractContextManager[Mapping[str, Any]]:
        return self._servers[service].limit_memory(size)

    def memory_limit(self, service: ServiceName) -> float | None:
        return self._servers[service].memory_limit()

    def beside(self, service: ServiceName, *command: str) -> AbstractContextManager[None]:
        return self._servers[service].beside(command)

    def run(self, service: ServiceName, *command: str) -> str:
        return self._servers[service].run(command)

    def remove_file(self, service: ServiceName, path: str) -> None:
        file = Path(self.data_folder(service), path)
        with disk_words(file):
            file.unlink(missing_ok=True)

    def data_folder(self, service: ServiceName) -> str:
        return str(self._servers[service].folder)

    def link(self, service: ServiceName) -> LinkPoint:
        return point(self._links.points, service, self.name)

    def freeze(self) -> None:
        for service in ("app", "redis", "postgres"):
            if service in self._servers:
                self._servers[service].freeze()

    def thaw(self) -> None:
        for service in ("postgres", "redis", "app"):
            if service in self._servers:
                self._servers[service].thaw()

    def stop(self) -> None:
        with ExitStack() as last_first:  # each of them, though another one raises
            last_first.callback(remove, self._folder)
            last_first.callback(give_back, *self._ports.values())
            last_first.callback(self._links.stop)
            for service, ask in (("redis", None), ("postgres", "SIGQUIT"), ("app", "SIGTERM")):
                if service in self._servers:
                    last_first.callback(self._servers[service].end, ask, _APP_ASKED_S)
