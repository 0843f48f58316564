"""``python -m sample_app`` as a program: how it is told what to do, how it ends, and its processes."""

from __future__ import annotations

import io
import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil
import psycopg
import pytest

from lab.model.stack import Running
from sample_app.__main__ import main
from sample_app.settings import Settings, read_settings

NOBODY_LISTENS = {"database_url": "postgresql://shop@127.0.0.1:1/shop", "redis_url": "redis://127.0.0.1:1/0"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def until(holds: Callable[[], object], what: str, deadline_s: float = 10.0) -> None:
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < deadline_s, f"not within {deadline_s} s: {what}"
        time.sleep(0.02)


def health(port: int) -> tuple[int, str]:
    """Status 0 where nothing answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, HTTPException):
        return 0, ""
    finally:
        connection.close()


@contextmanager
def serving(settings: Mapping[str, object], *more: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The program with its settings on standard input, answering on the port; killed at the end."""
    port = free_port()
    command = [sys.executable, "-m", "sample_app", "--port", str(port), "--settings", "-", *more]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, text=True)
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(settings))
            process.stdin.close()
            until(lambda: health(port)[0], "the app answers")
            yield process, port
        except AssertionError as error:
            log.seek(0)
            error.add_note("".join(log.readlines()[-15:]))
            raise
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ('{"code": {"stampede": "wish"}}', "code.stampede: no variant 'wish' (known: problem, single_flight"),
        ('{"code": {"stampeed": "problem"}}', "code: no module 'stampeed' (known: "),
        ('{"pool": 10}', "pool: Extra inputs are not permitted"),
        ('{"pool_size": 0}', "pool_size: Input should be greater than or equal to 1"),
        ("not json", "document: Invalid JSON"),
    ],
)
def test_unusable_settings_are_one_line_and_exit_2(document: str, says: str, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(document))
    assert main(["--port", "0", "--settings", "-"]) == 2
    stderr = capsys.readouterr().err
    assert stderr.startswith(f"bad settings: {says}")
    assert stderr.count("\n") == 1


def test_settings_come_from_a_file_or_the_environment(tmp_path: Path, monkeypatch, capsys) -> None:
    assert main(["--port", "0", "--settings", str(tmp_path / "missing.json")]) == 2
    assert "missing.json" in capsys.readouterr().err
    written = tmp_path / "shop.json"
    written.write_text('{"pool_size": 3}')
    assert read_settings(str(written)).pool_size == 3
    assert read_settings(None, {"SHOP_POOL_SIZE": "4", "SHOP_REDIS_URL": "redis://cache/0"}) == Settings(
        pool_size=4, redis_url="redis://cache/0"
    )
    monkeypatch.setenv("SHOP_POOL_SIZE", "many")
    assert main(["--port", "0"]) == 2
    assert capsys.readouterr().err.startswith("bad settings: pool_size: ")


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_port_that_is_taken_is_one_line_and_exit_1(processes: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "sample_app", "--port", str(port), "--processes", processes]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"cannot listen on 127.0.0.1:{port}: ")
    assert done.stderr.count("\n") == 1


def test_it_starts_without_its_neighbours_and_says_what_is_missing() -> None:
    with serving(NOBODY_LISTENS) as (_, port):
        status, body = health(port)
    assert status == 503
    assert json.loads(body)["postgres"] != "ok" != json.loads(body)["redis"]


@pytest.mark.parametrize("processes", ["1", "3"])
def test_asked_to_stop_it_ends_well_within_two_seconds(processes: str) -> None:
    with serving(NOBODY_LISTENS, "--processes", processes) as (process, port):
        idle = socket.create_connection(("127.0.0.1", port))  # a client that just stays must not hold it up
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 0
        assert time.monotonic() - begun < 2
        idle.close()
        assert health(port)[0] == 0


def test_a_request_that_hangs_does_not_hold_up_the_end(arm: Running) -> None:
    urls = {"database_url": arm.dsn, "redis_url": arm.redis_url}
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with (
        psycopg.connect(arm.dsn) as holder,
        psycopg.connect(arm.dsn, autocommit=True) as watcher,
        serving(urls) as (process, port),
        socket.create_connection(("127.0.0.1", port)) as hanging,
    ):
        holder.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
        hanging.sendall(b"GET /customers/7 HTTP/1.1\r\nHost: shop\r\n\r\n")
        until(lambda: watcher.execute(waiting).fetchone() == (1,), "the query waits")
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 0
        assert time.monotonic() - begun < 2
        until(lambda: watcher.execute(waiting).fetchone() == (0,), "no query is left behind")


def test_connections_are_spread_over_the_processes() -> None:
    with serving(NOBODY_LISTENS, "--processes", "3") as (process, port):
        children = psutil.Process(process.pid).children()
        assert len(children) == 3
        connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
        try:
            until(lambda: sum(map(established, children)) >= 60, "all connections are accepted")
            assert all(map(established, children)), "each process has some"
        finally:
            for connection in connections:
                connection.close()


def test_each_process_says_which_it_is() -> None:
    with serving(NOBODY_LISTENS, "--processes", "3") as (_, port):
        served = Counter(served_by(port) for _ in range(60))
    assert len(served) == 3 and sum(served.values()) == 60
    assert all(re.fullmatch("[0-9a-f]{8}", name) for name in served)


def served_by(port: int) -> str:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().headers["X-Served-By"]
    finally:
        connection.close()


def established(process: psutil.Process) -> int:
    return sum(known.status == psutil.CONN_ESTABLISHED for known in process.net_connections("tcp"))


def test_processes_die_together_with_the_code_of_the_first() -> None:
    with serving(NOBODY_LISTENS, "--processes", "3") as (process, _):
        children = psutil.Process(process.pid).children()
        children[1].kill()
        assert process.wait(timeout=5) == 128 + signal.SIGKILL
        assert psutil.wait_procs(children, timeout=5)[1] == []


def test_processes_do_not_outlive_a_parent_that_is_killed() -> None:
    with serving(NOBODY_LISTENS, "--processes", "2") as (process, _):
        children = psutil.Process(process.pid).children()
        process.kill()
        until(lambda: not any(child.is_running() for child in children), "the children end")


def test_what_runs_cannot_be_read_off_the_process_list(arm: Running) -> None:
    urls = {"database_url": arm.dsn, "redis_url": arm.redis_url}
    with serving({**urls, "code": {"stampede": "single_flight"}}) as (process, _):
        seen = psutil.Process(process.pid)
        assert "flight" not in " ".join([*seen.cmdline(), *seen.environ().values()])
