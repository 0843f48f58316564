"""A stack that stays up: faults, load and looks by hand, and that nothing is left however it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from redis import Redis
from redis.exceptions import RedisError
from running import lab, start, wait_until

from lab.cli.by_hand.keeper import ask
from lab.reaper import recorded, remaining

INDEX = "reviews_product_id_created_at_idx"


class Up:
    """A stack that is up, and the commands on it."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self("up", "--stack", "embedded", "--link", "redis")

    def __call__(self, *words: str, code: int = 0) -> str:
        done = lab(*words, timeout=200, LAB_OUT=str(self.out))
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json"))

    @property
    def state(self) -> Any:
        return json.loads((self.out / "up.json").read_text())

    def services(self) -> dict[str, Any]:
        return {row["service"]: row for row in ask(self.out, "status")["services"]}

    def standing(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ask(self.out, "list-faults")["faults"]
        return found

    def load(self) -> dict[str, Any]:
        return ask(self.out, "load-status")

    def answers(self) -> bool:
        try:
            with Redis.from_url(self.state["redis"], socket_timeout=2) as client:
                return bool(client.ping())
        except RedisError:
            return False


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    one = Up(tmp_path_factory.mktemp("reports"))
    yield one
    one("down")


@pytest.fixture(autouse=True)
def as_before(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "up" in request.fixturenames:
        one: Up = request.getfixturevalue("up")
        ask(one.out, "remove-fault", which="all")
        assert {row["state"] for row in one.services().values()} == {"up"}


def index_is_there(up: Up) -> bool:
    return up("psql", "-Atc", f"SELECT to_regclass('{INDEX}') IS NOT NULL").strip() == "t"


def test_a_fault_is_done_measured_listed_and_healed(up: Up) -> None:
    before = up.services()["redis"]["pids"]
    done = up("fault", "add", "redis", "kill")
    number = done.split("lab fault rm ")[1].strip()
    assert "DOES NOT BITE" not in done and ": asked " in done
    assert not up.answers()
    assert up.services()["redis"]["state"] == "down"
    [fault] = up.json("fault", "list")["faults"]
    assert (fault["kind"], fault["id"]) == ("kill", int(number))
    assert fault["doses"] and all(dose["bit"] for dose in fault["doses"])
    assert "redis" in up("fault", "list")
    assert "acts on" in up("fault", "add", "kill", "service=redis", code=2)
    assert "healed" in up("fault", "rm", number)
    assert up.answers() and up.services()["redis"]["pids"] != before
    assert "there is no fault" in up("fault", "rm", number, code=2)


def test_a_paused_service_is_shown_frozen(up: Up) -> None:
    up("fault", "add", "redis", "pause")
    assert up.services()["redis"]["state"] == "frozen"
    up("fault", "rm", "all")
    assert up.answers()


def test_two_faults_stand_at_once_and_heal_one_by_one(up: Up) -> None:
    up("fault", "add", INDEX, "drop-index")
    up("fault", "add", "redis", "kill")
    first, second = up.standing()
    assert not index_is_there(up)
    up("fault", "rm", str(first["id"]))
    assert index_is_there(up) and not up.answers()
    up("fault", "rm", str(second["id"]))
    assert up.answers()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("redis", "kil"), "did you mean 'kill'"),
        (("kill", "service=radis"), "service: expected 'app', 'postgres' or 'redis', got 'radis'"),
        (("kill",), "missing key 'service'"),
        (("drop-index", "index=ix_nowhere"), "ix_nowhere"),
    ],
)
def test_what_cannot_be_done_is_told_and_leaves_nothing(words: tuple[str, ...], told: str, up: Up) -> None:
    code = 4 if "ix_nowhere" in told else 2
    assert told in up("fault", "add", *words, code=code)
    assert up.standing() == []


def test_a_fault_that_passes_by_itself_does_not_stand(up: Up) -> None:
    up("redis-cli", "SET", "sales", "1")
    assert "passes by itself" in up("fault", "add", "sales", "expire-key")
    assert up("redis-cli", "EXISTS", "sales").strip() == "0"
    assert up.standing() == []


def test_ctrl_c_in_the_middle_of_a_command_leaves_nothing_standing(up: Up) -> None:
    began = len(events(up))
    process = start("fault", "add", "redis", "pause", "--out", str(up.out))
    wait_until(lambda: "fault-on" in events(up)[began:], 60, "the fault is on, and being measured")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    wait_until(lambda: "fault-off" in events(up)[began:], 60, "healed")
    wait_until(lambda: up.standing() == [], 60, "not listed")
    assert up.answers()


def events(up: Up) -> list[str]:
    lines = (Path(up.state["folder"]) / "events.jsonl").read_text().splitlines()
    return [json.loads(line)["kind"] for line in lines[1:]]


def test_load_goes_on_until_it_is_stopped_and_shows_what_a_fault_does(up: Up) -> None:
    assert "no load" in up("load", "stop", code=2)
    up("load", "start", "--rate", "40/s", "--get", "/products/1")
    assert "one at a time" in up("load", "start", "stampede", code=2)
    wait_until(lambda: up.load()["requests"] >= 60, 120, "load")
    told = up.json("load", "status")
    assert (told["state"], told["errors"], told["asked_per_s"]) == ("on", 0, 40.0)
    assert 20 < told["requests"] / told["seconds"] < 60
    assert told["window"]["p50_ms"] <= told["window"]["p95_ms"] <= told["window"]["p99_ms"]
    up("fault", "add", "app", "kill")
    wait_until(lambda: "refused" in up.load()["window"]["errors"], 120, "refusals")
    stopped = up("load", "stop")
    assert "stopped" in stopped and "refused" in stopped
    assert not [p for p in psutil.Process(up.state["pid"]).children() if "lab.driver" in p.cmdline()]
    assert up.load()["state"] == "stopped" and up.load() == up.load()


def test_the_load_of_a_scenario(up: Up) -> None:
    assert "until lab load stop" in up("load", "start", "stampede")
    wait_until(lambda: up.load()["requests"] > 0, 120, "load")
    up("load", "stop")


@pytest.mark.parametrize("words", [("--rate", "40"), ("--rate", "fast", "--get", "/"), ("nonsense",), ()])
def test_a_load_that_is_none_is_refused(words: tuple[str, ...], up: Up) -> None:
    assert "do:" in up("load", "start", *words, code=2)


def test_looking_at_the_services(up: Up) -> None:
    assert up("ps").count(" up ") == 3
    rows = {row["service"]: row for row in up.json("ps")["services"]}
    assert list(rows) == ["app", "postgres", "redis"]
    for name, row in rows.items():
        process = psutil.Process(row["pids"][0])
        assert row["port"] == urlsplit(up.state[name]).port
        assert process.is_running() and row["memory_mb"] > 0
    assert up("psql", "-Atc", "SELECT 6 * 7").strip() == "42"
    assert up("redis-cli", "PING").strip() == "PONG"
    assert "wrong number" in up("redis-cli", "GET", code=1)
    assert "ready to accept connections" in up("logs", "postgres", "-n", "200")
    assert up("logs", "-n", "1").count(" | ") == 3
    assert "there is no service" in up("logs", "mongo", code=2)
    assert "SELECT" in up("probe", "locks")
    assert up.json("probe", "redis")["readings"]["commands"] > 0
    assert "did you mean" in up("probe", "lock", code=2)


def test_a_log_is_followed(up: Up) -> None:
    process = start("logs", "postgres", "-f", "-n", "0", "--out", str(up.out))
    mark = f"mark {os.getpid()} {time.monotonic_ns()}"
    try:
        assert process.stdout is not None
        os.set_blocking(out := process.stdout.fileno(), False)
        seen = ""

        def shows() -> bool:
            nonlocal seen
            up("psql", "-qc", f"DO $$ BEGIN RAISE LOG '{mark}'; END $$")
            with contextlib.suppress(BlockingIOError):
                seen += os.read(out, 100_000).decode()
            return mark in seen

        wait_until(shows, 60, "the line")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
    assert process.returncode == 130


def test_without_a_stack_every_command_says_so(tmp_path: Path) -> None:
    for words in (
        "ps",
        "logs",
        "psql",
        "redis-cli",
        "fault list",
        "load status",
        "probe locks",
        "fault rm all",
    ):
        done = lab(*words.split(), "--out", str(tmp_path))
        assert done.returncode == 2, words
        assert "nothing is up" in done.stderr and "lab up" in done.stderr


def left_of(folder: Path) -> list[Any]:
    """What the keeper of ``folder`` owned that is still there."""
    assert len(recorded(folder)) >= 6  # folders, servers and the load generator
    return list(remaining(recorded(folder)))


def test_down_heals_what_stands_and_leaves_nothing(tmp_path: Path) -> None:
    one = Up(tmp_path)
    one("fault", "add", INDEX, "drop-index")
    one("fault", "add", "redis", "kill")
    one("load", "start", "--rate", "20", "--get", "/health")
    log, socket = Path(one.state["folder"]) / "events.jsonl", Path(one.state["socket"])
    assert one("down") == "stopped\n"
    kinds = [(event["kind"], event["what"]) for event in map(json.loads, log.read_text().splitlines()[1:])]
    assert kinds[-2:] == [("fault-off", "kill"), ("fault-off", "drop-index")]
    assert left_of(log.parent) == []
    assert not socket.parent.exists() and not (tmp_path / "up.json").exists()


def test_a_killed_keeper_leaves_nothing_after_lab_clean(tmp_path: Path) -> None:
    one = Up(tmp_path)
    one("fault", "add", "redis", "kill")
    one("load", "start", "--rate", "20", "--get", "/health")
    assert "nothing is left" in one("clean")  # what is alive is left alone
    folder, socket = Path(one.state["folder"]), Path(one.state["socket"])
    os.kill(one.state["pid"], signal.SIGKILL)
    wait_until(lambda: "nothing is up" in one("ps", code=2), 20, "gone")
    one("clean")
    assert left_of(folder) == [] and not socket.parent.exists()


def test_a_link_that_was_asked_for_takes_toxics_and_one_that_was_not_says_how(up: Up) -> None:
    assert "added to a round trip: asked 40 ms" in up("fault", "add", "latency", "link=redis", "delay=40ms")
    assert [row["kind"] for row in up.standing()] == ["latency"]
    up("fault", "rm", "all")
    assert "lab up --link postgres" in up("fault", "add", "latency", "link=postgres", "delay=40ms", code=4)


def test_a_link_before_nothing_is_met_with_what_there_is(tmp_path: Path) -> None:
    done = lab("up", "--link", "mysql", LAB_OUT=str(tmp_path))
    assert done.returncode == 2
    assert "--link postgres,redis" in done.stderr
