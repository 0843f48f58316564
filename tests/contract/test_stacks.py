"""What every stack promises, whatever its servers run in."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import psutil
import psycopg
import pytest
from arm_at_work import until
from redis import Redis

from lab.catalog import stacks
from lab.errors import EnvironmentFailed
from lab.model.stack import ArmSpec, RunContext, Running, ServiceName, Stack
from lab.reaper import LOG, Reaper
from lab.stacks._ports import free_port

# Seconds for one arm and for three at once on two quiet cores. Twice that is allowed here: tests share them.
BAR = {"embedded": (3.0, 8.0), "containers": (3.0, 15.0)}
LABEL = "incident-lab.run"


@contextlib.contextmanager
def a_run() -> Iterator[RunContext]:
    """The context of a run, with its reaper. The folders are open to all: Postgres may be another user."""
    with tempfile.TemporaryDirectory(prefix="lab-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "scratch").mkdir()
        reaper = Reaper.start(folder)
        try:
            yield RunContext(
                id=secrets.token_hex(6),
                folder=folder,
                scratch=folder / "scratch",
                seed=7,
                report=print,
                own=reaper.own,
            )
        finally:
            reaper.close()
            log = (folder / LOG).read_text()
        assert "could not" not in log, log


@pytest.fixture(scope="module", params=sorted(BAR))
def stack(request: pytest.FixtureRequest) -> Stack:
    """Each backend, ready to start arms."""
    if request.param == "containers":
        request.getfixturevalue("docker_or_skip")
    backend: Stack = stacks()[request.param]()
    assert backend.available() == ""
    with a_run() as run:
        backend.prepare(run)
    return backend


@pytest.fixture(scope="module")
def run(stack: Stack) -> Iterator[RunContext]:
    with a_run() as context:
        yield context


@pytest.fixture(scope="module")
def arm(stack: Stack, run: RunContext) -> Iterator[Running]:
    """An arm that the tests of this module share; whoever breaks a service brings it back."""
    running = stack.start(ArmSpec(name="shared"), run)
    yield running
    running.stop()


def get(running: Running, path: str) -> tuple[int, str]:
    """Status and body; (0, reason) where nobody answers."""
    try:
        with urllib.request.urlopen(running.url + path, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def eventually(holds: Callable[[], bool], within_s: float) -> bool:
    deadline, waker = time.monotonic() + within_s, threading.Event()
    while not holds():
        if time.monotonic() > deadline:
            return False
        waker.wait(0.05)
    return True


def left_over(context_id: str, scratch: Path, ports: list[int]) -> Mapping[str, Any]:
    """Whatever is still there of a run: processes, ports, folders, containers, networks."""
    processes = [p for p in psutil.process_iter() if _is_in(p, scratch)]
    left = {
        "processes": [(p.pid, p.name()) for p in processes],
        "ports": [port for port in ports if _listens(port)],
        "folders": sorted(p.name for p in scratch.iterdir() if p.name != "programs")
        if scratch.exists()
        else [],
    }
    with contextlib.suppress(docker.errors.DockerException), contextlib.closing(docker.from_env()) as engine:
        chosen = {"label": f"{LABEL}={context_id}"}
        left["containers"] = [c.name for c in engine.containers.list(all=True, filters=chosen)]
        left["networks"] = [n.name for n in engine.networks.list(filters=chosen)]
    return {what: found for what, found in left.items() if found}


def _is_in(process: psutil.Process, scratch: Path) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(scratch)
    except (psutil.Error, OSError):
        return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ports_of(running: Running) -> list[int]:
    return [
        int(url.rpartition(":")[2].split("/")[0]) for url in (running.url, running.dsn, running.redis_url)
    ]


def test_an_arm_answers_and_has_the_data(arm: Running) -> None:
    assert get(arm, "/health")[0] == 200
    assert len(json.loads(get(arm, "/products/top")[1])) > 0
    assert Redis.from_url(arm.redis_url).ping()
    with psycopg.connect(arm.dsn) as database:
        (orders,) = database.execute("SELECT count(*) FROM orders").fetchone() or (0,)
        (superuser,) = database.execute(
            "SELECT usesuper FROM pg_user WHERE usename = current_user"
        ).fetchone() or (0,)
        (counted,) = database.execute("SELECT count(*) FROM pg_stat_statements").fetchone() or (0,)
        roles = database.execute("SELECT rolname FROM pg_roles WHERE rolcanlogin AND NOT rolsuper").fetchall()
    assert orders >= 300_000 and superuser and counted > 0 and roles == [("shop",)]
    assert all(arm.versions[service] for service in ("app", "postgres", "redis"))


@pytest.mark.parametrize(
    ("name", "value"),
    [("fsync", "off"), ("autovacuum", "off"), ("jit", "off"), ("max_parallel_workers_per_gather", "0"),
     ("pg_stat_statements.track", "all"), ("auto_explain.log_min_duration", "-1"), ("wal_level", "replica")],
)  # fmt: skip
def test_postgres_is_set_up_for_measuring(arm: Running, name: str, value: str) -> None:
    with psycopg.connect(arm.dsn) as database:
        assert database.execute("SELECT current_setting(%s)", [name]).fetchone() == (value,)


def test_everything_listens_on_loopback_alone(arm: Running) -> None:
    listening = {c.laddr.port: c.laddr.ip for c in psutil.net_connections("inet") if c.status == "LISTEN"}
    assert {listening.get(port) for port in ports_of(arm)} == {"127.0.0.1"}


def recomputations(running: Running) -> int:
    """Empty the cache, ask eight times at once, and count the statements that Postgres saw."""
    with psycopg.connect(running.dsn, autocommit=True) as database:
        Redis.from_url(running.redis_url).flushall()
        database.execute("SELECT pg_stat_statements_reset()")
        with ThreadPoolExecutor(8) as clients:
            assert {
                status for status, _ in clients.map(lambda _: get(running, "/products/top"), range(8))
            } == {200}
        counted = database.execute(
            "SELECT sum(calls)::int FROM pg_stat_statements WHERE query LIKE '%/* ranking */%'"
        ).fetchone()
    assert counted is not None
    return int(counted[0])


def test_the_chosen_code_reaches_the_app_and_nothing_tells_which(
    stack: Stack, run: RunContext, arm: Running
) -> None:
    fixed = stack.start(ArmSpec(name="fixed", code={"stampede": "single_flight"}), run)
    try:
        assert recomputations(fixed) == 1
        assert recomputations(arm) > 1
        seen = [(p.info["cmdline"], _environment(p)) for p in psutil.process_iter(["cmdline"])]
        ours = [one for one in seen if "sample_app" in (one[0] or [])]
        assert ours and not any("single" in str(one) or "stampede" in str(one) for one in ours)
    finally:
        fixed.stop()


def _environment(process: psutil.Process) -> Mapping[str, str]:
    with contextlib.suppress(psutil.Error):
        return process.environ()
    return {}


@pytest.mark.parametrize("service", ["redis", "postgres", "app"])
def test_a_killed_service_refuses_at_once_and_comes_back_where_it_was(
    arm: Running, service: ServiceName
) -> None:
    with psycopg.connect(arm.dsn, autocommit=True) as database:
        database.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
    Redis.from_url(arm.redis_url).set("kept", 1)
    arm.kill(service)
    try:
        assert not arm.alive(service)
        begun = time.monotonic()
        assert get(arm, "/health")[0] == (0 if service == "app" else 503)
        assert time.monotonic() - begun < 2.5  # refused, not timed out
    finally:
        arm.start(service)
    assert arm.alive(service)
    assert eventually(lambda: get(arm, "/health")[0] == 200, 10), arm.logs("app")
    with psycopg.connect(arm.dsn) as database:
        assert database.execute("SELECT to_regclass('kept')::text").fetchone() == ("kept",)
    assert Redis.from_url(arm.redis_url).get("kept") == (None if service == "redis" else b"1")


@pytest.mark.parametrize("service", ["redis", "postgres", "app"])
def test_a_service_restarts(arm: Running, service: ServiceName) -> None:
    arm.restart(service)
    assert eventually(lambda: get(arm, "/health")[0] == 200, 10), arm.logs("app")


def test_a_frozen_arm_stands_still_and_goes_on(arm: Running) -> None:
    Redis.from_url(arm.redis_url).set("kept", 2)
    with psycopg.connect(arm.dsn) as database:
        arm.freeze()
        arm.freeze()
        try:
            before = arm.cpu_seconds()
            with (
                pytest.raises(TimeoutError),
                socket.create_connection(("127.0.0.1", ports_of(arm)[0])) as client,
            ):
                client.settimeout(0.5)
                client.sendall(b"GET /health HTTP/1.0\r\n\r\n")
                client.recv(1)
            assert arm.alive("app") and arm.cpu_seconds() - before < 0.01
        finally:
            arm.thaw()
            arm.thaw()
        assert database.execute("SELECT 1").fetchone() == (1,)
    assert get(arm, "/health")[0] == 200 and Redis.from_url(arm.redis_url).get("kept") == b"2"


def test_cpu_time_counts_work_and_outlives_a_restart(arm: Running) -> None:
    before = arm.cpu_seconds()
    with psycopg.connect(arm.dsn) as database:
        database.execute("SELECT sum(sqrt(n)) FROM generate_series(1, 2000000) AS n")
    # The session has ended with its connection; its time shows once Postgres has taken leave of it.
    until(lambda: str(arm.cpu_seconds() - before), lambda seconds: float(seconds) > 0.1)
    worked = arm.cpu_seconds()
    assert worked - before < 10
    arm.restart("app")
    assert arm.cpu_seconds() >= worked


def test_memory_is_what_a_service_holds_for_itself(arm: Running) -> None:
    before = arm.memory_mb("postgres")
    with psycopg.connect(arm.dsn) as database:
        database.execute("SELECT array_agg(n ORDER BY -n) FROM generate_series(1, 1000) AS n")
        database.execute("SET work_mem = '100MB'")
        database.execute(
            "DECLARE held CURSOR FOR SELECT n, repeat('x', 400) FROM generate_series(1, 50000) n ORDER BY 1 DESC"
        )
        database.execute("FETCH 1 FROM held")
        assert 15 < arm.memory_mb("postgres") - before < 100  # 20 MB of rows, sorted in memory
    Redis.from_url(arm.redis_url).set("large", b"x" * 30_000_000)
    held = arm.memory_mb("redis")
    arm.restart("redis")
    assert 25 < held - arm.memory_mb("redis") < 45
    arm.kill("app")
    try:
        assert arm.memory_mb("app") == 0
    finally:
        arm.start("app")
    assert arm.memory_mb("app") > 10


def test_an_app_of_two_processes(stack: Stack, run: RunContext, arm: Running) -> None:
    two = stack.start(ArmSpec(name="two", processes=2), run)
    try:
        assert get(two, "/health")[0] == 200
        assert two.memory_mb("app") > 1.5 * arm.memory_mb("app")
        assert two.logs("app").count("Application startup complete") == 2
        two.kill("app")
        assert get(two, "/health")[0] == 0
    finally:
        two.stop()


def test_an_app_that_crashes_at_its_start_is_quoted_and_leaves_nothing(stack: Stack) -> None:
    with a_run() as run:
        with pytest.raises(EnvironmentFailed) as failed:
            stack.start(ArmSpec(name="wrong", code={"stampede": "no_such_variant"}), run)
        assert "no_such_variant" in failed.value.why and failed.value.do
        assert left_over(run.id, run.scratch, []) == {}


@pytest.mark.parametrize("service", [0, 1, 2])
def test_a_port_that_somebody_takes_first_is_left_to_them(
    stack: Stack, run: RunContext, service: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = {"embedded": "lab.stacks._embedded_arm", "containers": "lab.stacks._container_arm"}[stack.kind]
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        handed_out = [free_port(), free_port(), free_port()]
        handed_out[service] = somebody.getsockname()[1]
        monkeypatch.setattr(f"{module}.free_port", lambda: handed_out.pop(0) if handed_out else free_port())
        running = stack.start(ArmSpec(name="moved"), run)
        try:
            assert get(running, "/health")[0] == 200
            assert somebody.getsockname()[1] not in ports_of(running)
        finally:
            running.stop()


def test_three_arms_at_once_and_nothing_left_of_them(stack: Stack) -> None:
    one_bar, three_bar = BAR[stack.kind]
    with a_run() as run:
        begun = time.monotonic()
        arms = [stack.start(ArmSpec(name="first"), run)]
        one = time.monotonic() - begun
        begun = time.monotonic()
        with ThreadPoolExecutor(3) as pool:
            arms += pool.map(lambda n: stack.start(ArmSpec(name=f"arm.{n}"), run), range(3))
        three = time.monotonic() - begun
        ports = [port for one in arms for port in ports_of(one)]
        assert len(set(ports)) == 12 and all(map(_listens, ports))
        assert all(get(running, "/health")[0] == 200 for running in arms)
        begun = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda running: running.stop(), arms))
        down = time.monotonic() - begun
        print(f"\n{stack.kind}: one arm up in {one:.1f} s, three in {three:.1f} s, four down in {down:.1f} s")
        assert left_over(run.id, run.scratch, ports) == {}
        for running in arms:
            running.stop()  # a second time, and after everything is gone
            for service in ("app", "postgres", "redis"):
                assert running.logs(service, 3)  # type: ignore[arg-type]
                assert (run.folder / "logs" / running.name / f"{service}.log").stat().st_size > 0
    assert one <= 2 * one_bar and three <= 2 * three_bar


LAB = """
import json, secrets, signal, sys
from pathlib import Path
from lab.catalog import stacks
from lab.model.stack import ArmSpec, RunContext
from lab.reaper import Reaper
folder = Path(sys.argv[2])
reaper = Reaper.start(folder)
scratch = folder / "scratch"
reaper.own({"folder": str(scratch)})
run = RunContext(
    id=sys.argv[3], folder=folder, scratch=scratch, seed=7, report=lambda line: None, own=reaper.own
)
arm = stacks()[sys.argv[1]]().start(ArmSpec(name="arm"), run)
if sys.argv[4] == "frozen":
    arm.freeze()
print(json.dumps([arm.url, arm.dsn, arm.redis_url]), flush=True)
signal.pause()
"""


@pytest.mark.parametrize("state", ["running", "frozen"])
def test_nothing_is_left_of_a_lab_that_is_killed(stack: Stack, state: str, tmp_path: Path) -> None:
    ident = secrets.token_hex(6)
    with tempfile.TemporaryDirectory(prefix="lab-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "scratch").mkdir()
        with subprocess.Popen(
            [sys.executable, "-c", LAB, stack.kind, name, ident, state], stdout=subprocess.PIPE, text=True
        ) as lab:
            assert lab.stdout is not None
            urls = json.loads(lab.stdout.readline())
            ports = [int(url.rpartition(":")[2].split("/")[0]) for url in urls]
            assert all(map(_listens, ports)) and len(left_over(ident, folder / "scratch", ports)) >= 2
            os.kill(lab.pid, signal.SIGKILL)
        gone = eventually(lambda: not left_over(ident, folder / "scratch", ports), 30)
        assert gone, f"{left_over(ident, folder / 'scratch', ports)}\n{(folder / LOG).read_text()}"
        assert eventually(lambda: not (folder / "scratch").exists(), 10)
