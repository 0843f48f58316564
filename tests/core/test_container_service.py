"""What the lab asks of an engine for one container of an arm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.stacks._container import Service
from lab.stacks._container_arm import ContainerArm
from lab.stacks._container_link import ContainerLink


class Engine:
    """A container that ends when it is asked to, and a record of what was asked."""

    id = "c0ffee"

    def __init__(self, status: str = "running") -> None:
        self.status, self.asked = status, list[Any]()
        self.attrs = {"State": {"Pid": 0, "ExitCode": 0}}

    def reload(self) -> None: ...

    def kill(self, number: str) -> None:
        self.asked.append(number)
        self.status = "exited"

    def start(self) -> None:
        self.asked.append("start")
        self.status = "running"

    def pause(self) -> None:
        self.status = "paused"

    def unpause(self) -> None:
        self.status = "running"

    def wait(self, timeout: float) -> None: ...

    def stats(self, *, stream: bool, one_shot: bool) -> dict[str, Any]:
        assert one_shot and not stream
        return {"cpu_stats": {"cpu_usage": {"total_usage": 2e9}}}

    def exec_run(self, command: list[str]) -> tuple[int, bytes]:
        self.asked.append(command)
        return 0, b""

    def get_wrapped_container(self) -> Engine:
        return self

    def copy_into_container(self, content: bytes, path: str) -> None:
        self.asked.append((path, content))


def service(engine: Engine) -> Service:
    return Service(service="postgres", made=engine, log=Path("log"))  # type: ignore[arg-type]


def arm(name: str, engine: Engine) -> ContainerArm:
    """An arm that is up: one service, and a link."""
    made = ContainerArm.__new__(ContainerArm)
    made._services = {name: service(engine)}
    made._link = ContainerLink.__new__(ContainerLink)
    made._link._service = service(Engine())
    return made


@pytest.mark.parametrize(
    ("status", "asked"),
    [("running", ["rm", "-f", "/x/y"]), ("paused", ("/x/y", b"")), ("exited", ("/x/y", b""))],
)
def test_the_room_of_a_file_is_given_back_up_and_down(status: str, asked: object) -> None:
    engine = Engine(status)
    service(engine).remove_file("/x/y")
    assert engine.asked == [asked]


@pytest.mark.parametrize(("name", "asks"), [("postgres", "SIGINT"), ("redis", "SIGTERM")])
def test_a_restart_asks_as_an_administrator_does_whatever_the_image_says(
    name: Any, asks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine()
    monkeypatch.setattr(ContainerArm, "_wait", lambda _arm, _name: None)
    arm(name, engine).restart(name)
    assert engine.asked == [asks, "start"]


def test_a_new_start_begins_at_no_pause() -> None:
    engine = Engine()
    one = service(engine)
    one.pause()
    engine.status = "exited"  # killed from outside
    one.start()
    one.pause()
    one.resume()
    assert engine.status == "running"


def test_the_cpu_time_of_an_arm_has_that_of_its_link() -> None:
    made = arm("redis", Engine())
    assert (made.cpu_seconds("redis"), made.cpu_seconds()) == (2.0, 4.0)
