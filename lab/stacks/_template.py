"""The database that every embedded arm starts from: filled once, kept in the cache, cloned for each arm."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.errors import EnvironmentFailed
from lab.model.stack import RunContext
from lab.stacks._binaries import User
from lab.stacks._companion import end_group
from lab.stacks._disk import cache_folder, clone, disk_words, locked, remove
from lab.stacks._ports import HOST, PortTaken, free_port, give_back, is_free
from lab.stacks._postgres import (
    CREATE_DATABASE,
    CREATE_EXTENSION,
    CREATE_ROLE,
    SETTINGS,
    SUPERUSER,
    WHILE_LOADING,
    arguments,
    superuser_url,
)
from lab.stacks._process import Server
from lab.stacks._ready import postgres_answers, wait_until
from lab.stacks._shop import data_version, load_data

_LAYOUT = 1  # counts changes of how a template is made
_STOP_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """The programs, the user who runs them (None: whoever runs the lab), and their version."""

    programs: Path
    user: User | None
    version: str

    def server(self, folder: Path, port: int, log: Path, run: RunContext, **more: str) -> Server:
        """A server, not yet started, on the data folder ``folder``, with ``more`` settings. It listens on
        127.0.0.1 alone: no socket file, and nothing in /dev/shm that a SIGKILL would leave behind."""
        own = {
            "listen_addresses": HOST,
            "port": str(port),
            "unix_socket_directories": "",
            "dynamic_shared_memory_type": "mmap",
        }
        return Server(
            service="postgres",
            command=[str(self.programs / "postgres"), "-D", str(folder), *arguments(**own, **more)],
            folder=folder,
            log=log,
            port=port,
            own=run.own,
            user=self.user.uid if self.user else None,
            group=self.user.gid if self.user else None,
            ask="SIGQUIT",
        )


def wait_for(server: Server, database: str) -> None:
    """Return when Postgres answers. Raises PortTaken, EnvironmentFailed."""
    url = superuser_url(server.port, database)
    try:
        wait_until(lambda: postgres_answers(url), living=server.alive, log=server.last_lines, what="postgres")
    except EnvironmentFailed as error:
        if not server.alive() and not is_free(server.port):
            raise PortTaken(error.what, f"{HOST}:{server.port}", error.why, "free the port") from error
        raise


def template(postgres: Postgres, app: str, run: RunContext) -> Path:
    """The data folder to clone, built first where it is missing. Raises EnvironmentFailed."""
    ready = cache_folder() / _name(postgres, app)
    if ready.is_dir():
        return ready
    with locked(ready.parent / "data.lock", run.report, "making the data"):
        if not ready.is_dir():
            for leftover in ready.parent.glob("making-*"):
                remove(leftover)
            _build(postgres, app, run, ready)
    return ready


def _name(postgres: Postgres, app: str) -> str:
    """Of the folder in the cache: all that the files in it depend on."""
    user = postgres.user.uid if postgres.user else os.getuid()
    parts = (_LAYOUT, app, data_version(app), postgres.version, user, sorted(SETTINGS.items()))
    return "data-" + hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _build(postgres: Postgres, app: str, run: RunContext, ready: Path) -> None:
    """Build in the scratch folder, which the server's user may enter; then copy, then rename: a template
    is there entirely or not at all."""
    run.report("making the data, once for all later runs")
    folder = run.scratch / "making"
    log = run.folder / "logs" / "data.log"
    with disk_words(run.scratch):
        log.parent.mkdir(parents=True, exist_ok=True)
        make_data_folder(folder, postgres.user)
    try:
        _initdb(postgres, folder, log)
        said = _fill(postgres, folder, log, app, run)
        making = ready.with_name(f"making-{run.id}")
        remove(making)
        clone(folder, making, stands=run.scratch)
        with disk_words(ready):
            making.rename(ready)
    finally:
        remove(folder)
    run.report(f"data: {said}")


def make_data_folder(folder: Path, user: User | None) -> None:
    folder.mkdir(mode=0o700)
    if user is not None:
        os.chown(folder, user.uid, user.gid)


def _initdb(postgres: Postgres, folder: Path, log: Path) -> None:
    command = [
        str(postgres.programs / "initdb"), "-D", str(folder), "-U", SUPERUSER, "--auth=trust",
        "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions", "--wal-segsize=4",
    ]  # fmt: skip
    with log.open("ab") as output:
        made = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Should the lab die meanwhile, whoever removes the folder finds it there, and ends it first: in a
            # session of its own it has no terminal, by which a person's shell that stands there is told.
            cwd=folder,
            start_new_session=True,
            user=postgres.user.uid if postgres.user else None,
            group=postgres.user.gid if postgres.user else None,
            extra_groups=[] if postgres.user else None,
        )
    try:
        made.wait()
    except BaseException:  # Ctrl-C does not reach it
        end_group(made, "initdb")
        raise
    if made.returncode:
        raise EnvironmentFailed(
            what="initdb failed",
            where=str(folder),
            why="\n".join(log.read_text(errors="replace").splitlines()[-15:]),
            do="a full disk, or a user without rights; LAB_POSTGRES_BIN names another Postgres",
        )


def _fill(postgres: Postgres, folder: Path, log: Path, app: str, run: RunContext) -> str:
    """Start, load, stop cleanly; the loader's own last word."""
    port = free_port()
    server = postgres.server(folder, port, log, run, **WHILE_LOADING)
    try:
        server.spawn()
        wait_for(server, "postgres")
        create_database(port)
        said = load_data(app, superuser_url(port))
        server.end("SIGINT", _STOP_S)
    finally:
        server.kill()
        give_back(port)
    return said


def create_database(port: int) -> None:
    """Role, database and extension, as superuser."""
    import psycopg

    with psycopg.connect(superuser_url(port, "postgres"), autocommit=True) as connection:
        connection.execute(CREATE_ROLE)
        connection.execute(CREATE_DATABASE)
    with psycopg.connect(superuser_url(port), autocommit=True) as connection:
        connection.execute(CREATE_EXTENSION)
