"""Several instances of the app behind its balancer, on each stack: they share the requests, and fail one by one."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import psutil
import pytest

from lab.catalog import stacks
from lab.errors import EnvironmentFailed
from lab.faults.kill import Kill
from lab.faults.latency import Latency
from lab.faults.pause import Pause
from lab.model.stack import ArmSpec, RunContext, Running
from lab.probes.backends import Backends
from lab.probes.balancer import Balancer
from lab.probes.rotation import Rotation
from lab.reaper import Reaper
from lab.runner.keeper.services import services

INSTANCES = ("app-1", "app-2", "app-3")
ROUNDS = 4


@pytest.fixture(scope="module", params=["embedded", "containers"])
def arm(request: pytest.FixtureRequest) -> Iterator[Running]:
    if request.param == "containers":
        request.getfixturevalue("docker_or_skip")
    stack = stacks()[request.param]()
    with TemporaryDirectory(prefix="lab-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        reaper = Reaper.start(folder)
        run = RunContext(
            id=secrets.token_hex(6),
            folder=folder,
            scratch=folder,
            seed=7,
            report=lambda line: None,
            own=reaper.own,
        )
        stack.prepare(run)
        running = stack.start(ArmSpec(name="several", instances=3, links=frozenset({"app-2"})), run)
        pids = [pid for service in running.services for pid in running.pids(service)]
        try:
            yield running
        finally:
            running.stop()
            reaper.close()
        assert not any(map(psutil.pid_exists, pids)), "its processes end with it"


def asked(arm: Running, path: str = "/ready") -> list[tuple[int, str]]:
    """Status and instance of some requests, as many for each instance."""
    at = urlsplit(arm.url)
    found = []
    for _ in range(ROUNDS * len(INSTANCES)):
        connection = HTTPConnection(at.hostname or "", at.port, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        found.append((answer.status, answer.headers.get("x-served-by", "")))
        connection.close()
    return found


def test_the_instances_take_turns(arm: Running) -> None:
    assert arm.services == ("balancer", *INSTANCES, "postgres", "redis")
    assert (arm.front, arm.instances) == ("balancer", INSTANCES)
    found = asked(arm, "/products/7")
    assert {status for status, _ in found} == {200}
    assert list(Counter(by for _, by in found).values()) == [ROUNDS] * 3


def test_each_service_is_looked_at_by_its_name(arm: Running) -> None:
    rows = services(arm)
    assert [row["service"] for row in rows] == list(arm.services)
    assert {row["state"] for row in rows} == {"up"}
    assert len({row["port"] for row in rows}) == len(rows)
    with pytest.raises(EnvironmentFailed, match="there is no app in this stack"):
        arm.alive("app")
    with pytest.raises(EnvironmentFailed, match="there is no app-4 in this stack"):
        arm.address("app-4")


def test_a_dead_instance_fails_its_share_until_it_is_back(arm: Running) -> None:
    with Kill(service="app-3").inject(arm):
        assert Counter(status for status, _ in asked(arm)) == {200: 2 * ROUNDS, 502: ROUNDS}
    assert Counter(status for status, _ in asked(arm)) == {200: 3 * ROUNDS}


def test_a_dead_balancer_is_refused_and_comes_back(arm: Running) -> None:
    with Kill(service="balancer").inject(arm):
        with pytest.raises(OSError):
            asked(arm)
        assert all(dose.bit for dose in Kill(service="balancer").dose(arm))
    assert {status for status, _ in asked(arm)} == {200}


def test_an_instance_that_stands_still_is_told(arm: Running) -> None:
    fault = Pause(service="app-1")
    with fault.inject(arm):
        assert all(dose.bit for dose in fault.dose(arm))
    assert {status for status, _ in asked(arm)} == {200}


def test_a_slow_link_is_before_one_instance_alone(arm: Running) -> None:
    fault = Latency(link="app-2", delay="200ms")  # type: ignore[arg-type]
    with fault.inject(arm):
        (dose,) = fault.dose(arm)
        assert dose.delivered is not None and 0.9 < dose.delivered / dose.asked < 2
        assert {status for status, _ in asked(arm)} == {200}
    with pytest.raises(EnvironmentFailed, match="no link stands before app-1"):
        arm.link("app-1")


def test_other_settings_are_those_of_every_instance_and_none_is_started_twice(arm: Running) -> None:
    before = {name: arm.life(name) for name in arm.services}
    arm.restart_app(settings={"slow_request_ms": 300})
    after = {name: arm.life(name) for name in arm.services}
    assert {name for name in before if before[name] != after[name]} == set(INSTANCES)
    arm.restart_app(settings={"slow_request_ms": 300})
    assert {name: arm.life(name) for name in arm.services} == after
    arm.restart_app(code={"stampede": "single_flight"})
    assert {arm.life(name) == after[name] for name in (*INSTANCES, "balancer")} == {False}
    assert {status for status, _ in asked(arm)} == {200}


def test_frozen_and_thawed_all_of_them_answer(arm: Running) -> None:
    arm.freeze()
    arm.thaw()
    assert {status for status, _ in asked(arm)} == {200}


def test_probes_see_what_the_balancer_counts(arm: Running) -> None:
    assert (Rotation().preflight(arm), Backends().preflight(arm)) == ("", "")
    before = Rotation().read(arm)
    asked(arm)
    grown = {name: value - before[name] for name, value in Rotation().read(arm).items()}
    assert grown == {"picked": 3 * ROUNDS, "failed": 0, "transitions": 0, "ejections": 0}
    sample = Backends().sample(arm)
    assert sample == {"busiest": 0, "spread": 0, "out": 0, "in_rotation": 3}
    assert {gauge.reading for gauge in Backends.gauges.values()} == set(sample)
    lines = Balancer().capture(arm).text.splitlines()
    assert [line.split()[:2] for line in lines[2:]] == [[name, "yes"] for name in INSTANCES]
