"""The generator measured on this machine, against the real server that does nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from processes_under_test import gone, orphan, until

from lab.errors import EnvironmentFailed
from lab.loads.open import Open
from lab.model.scenario import Expect, Request, Values
from lab.runner.calibration import Aim, calibrate, null_server, refuse_above_ceiling
from lab.runner.clock import MonotonicClock

SHOP = (
    Request(name="page", get="/products/{n}", values={"n": Values(uniform=(1, 500))}, weight=8),
    Request(
        name="order", post="/orders", body={"product": 7}, expect=Expect(status=(200,), contains="answer")
    ),
)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    load = Open(tmp_path_factory.mktemp("load"), own=lambda _: None)
    try:
        load.ready()
        yield load
    finally:
        load.close()


def test_the_null_server_answers_whatever_is_asked_and_is_gone_afterwards(tmp_path: Path) -> None:
    owned: list[int] = []
    with null_server(tmp_path, lambda record: owned.append(record["process"])) as url:
        for body in (None, b'{"n": 1}' * 20_000):
            with urllib.request.urlopen(f"{url}/any/path?n=1", data=body, timeout=10) as answer:
                assert answer.status == 200
                assert json.load(answer) == {"answer": "at once"}
        assert psutil.pid_exists(owned[0])
    until(lambda: gone(owned[0]), "the null server ends")


def test_the_null_server_goes_with_whoever_started_it(tmp_path: Path) -> None:
    start = (
        "from lab.runner.calibration import null_server; own = []; server = null_server(folder, own.append);"
        "server.__enter__(); import psutil; it = psutil.Process(own[0]['process'])"
    )
    pid = orphan(start, tmp_path)
    until(lambda: gone(pid), "the null server ends with its parent")


def test_the_null_server_brings_neither_locust_nor_gevent() -> None:
    script = "import sys, lab.driver.null; print(sorted({'locust', 'gevent'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_null_server_that_cannot_start_is_said_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "bin" / "python"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'no memory' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with (
        pytest.raises(EnvironmentFailed, match="calibrated against did not start") as failed,
        null_server(tmp_path, lambda _: None),
    ):
        pass
    assert "no memory" in failed.value.why


def measured(driver: Open, folder: Path, aim: Aim) -> Any:
    return calibrate(driver, aim, clock=MonotonicClock(), scratch=folder, own=lambda _: None)


def test_requests_of_a_run_are_measured_on_this_machine(driver: Open, tmp_path: Path) -> None:
    aim = Aim(requests=SHOP, peak_rate=50)
    found = measured(driver, tmp_path, aim)
    assert found.executor == "fast"
    assert 500 < found.ceiling_per_s < 1_000_000
    assert 0 < found.floor_p50_ms <= found.floor_p99_ms
    assert found.share_of_ceiling == pytest.approx(50 / found.ceiling_per_s, abs=1e-4)
    refuse_above_ceiling(found, aim)


def test_no_machine_makes_ten_million_requests_a_second(driver: Open, tmp_path: Path) -> None:
    aim = Aim(peak_rate=10_000_000)
    with pytest.raises(EnvironmentFailed, match="10,000,000 requests a second is too much"):
        refuse_above_ceiling(measured(driver, tmp_path, aim), aim)


def test_journeys_are_measured_by_flow(driver: Open, tmp_path: Path) -> None:
    found = measured(driver, tmp_path, Aim(executor="flow"))
    assert (found.executor, found.share_of_ceiling) == ("flow", None)
    assert 50 < found.ceiling_per_s < 1_000_000
