"""The driver's own locustfile under stock Locust: its statistics, its files, its page, its listeners."""

from __future__ import annotations

import csv
import json
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from processes_under_test import until
from running import lab
from web_under_test import serving

REQUESTS = """
requests:
  - {name: lamp, get: "/ok/{id}", values: {id: {uniform: [1, 9]}}, weight: 3}
  - {name: order, post: /fail, body: {lamp: 12}}
"""


@pytest.fixture(scope="module")
def file() -> str:
    said = lab("locustfile", timeout=60)
    assert said.returncode == 0, said.stderr
    return said.stdout.strip()


def locust(file: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "locust", "-f", file, "--headless", "--only-summary", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def counted(done: subprocess.CompletedProcess[str]) -> dict[str, tuple[int, int]]:
    """Requests and failures by name."""
    try:
        entries: list[dict[str, Any]] = json.loads(done.stdout)
    except ValueError:
        pytest.fail(f"no JSON in {done.stdout[-300:]!r}; {done.stderr[-1000:]}")
    return {entry["name"]: (entry["num_requests"], entry["num_failures"]) for entry in entries}


def test_locusts_figures_are_what_the_server_saw(file: str, tmp_path: Path) -> None:
    (tmp_path / "requests.yaml").write_text(REQUESTS)
    with serving(delay_s=0.05) as site:
        words = f"--host {site.url} -t 3s --json --csv out --rate 60 -u 5 -r 5".split()
        done = locust(file, *words, "--requests", "requests.yaml", cwd=tmp_path)
        asked = [path for _, path, _ in site.requests]
    orders = asked.count("/fail")
    assert 0 < orders < len(asked)
    assert counted(done) == {"lamp": (len(asked) - orders, 0), "order": (orders, orders)}
    assert done.returncode == 1  # Locust's own word for failed requests
    with (tmp_path / "out_stats.csv").open() as table:
        rows = {row["Name"]: int(row["Request Count"]) for row in csv.DictReader(table)}
    assert (
        0 < rows["lamp"] + rows["order"] == rows["Aggregated"] <= len(asked)
    )  # Locust writes it once a second


def test_a_listener_in_a_file_that_imports_it_hears_every_request(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from locust import events\n"
        "from lab.driver.locustfile import OpenLoad\n"
        "@events.request.add_listener\n"
        "def heard(name, response_time, exception, **_):\n"
        "    with open('heard.txt', 'a') as log:\n"
        "        print(name, response_time > 0, exception, file=log)\n"
    )
    with serving() as site:
        words = ("--host", site.url, "-t", "1s", "--json", "--rate", "60", "--arrivals", "constant")
        done = locust("mine.py", *words, "--path", "/ok", cwd=tmp_path)
        asked = len(site.requests)
    assert asked > 0 and counted(done) == {"/ok": (asked, 0)}
    assert (tmp_path / "heard.txt").read_text().splitlines() == ["/ok True None"] * asked


def test_locusts_page_shows_the_load_while_it_runs(file: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    page = f"http://127.0.0.1:{port}"

    def shown() -> int:
        try:
            with urllib.request.urlopen(f"{page}/stats/requests", timeout=5) as answer:
                rows = json.load(answer)["stats"]
        except OSError:
            return 0
        return next((row["num_requests"] for row in rows if row["name"] == "/ok"), 0)

    log = tmp_path / "locust.log"
    with serving() as site, log.open("wb") as out:
        command = [
            sys.executable,
            "-m",
            "locust",
            "-f",
            file,
            "--host",
            site.url,
            "--rate",
            "60",
            "--path",
            "/ok",
        ]
        web = ["--web-host", "127.0.0.1", "--web-port", str(port), "--autostart"]
        process = subprocess.Popen(
            [*command, *web], cwd=tmp_path, stdout=out, stderr=out, stdin=subprocess.DEVNULL
        )
        try:
            until(lambda: shown() > 10, f"requests on the page; {log.read_text()[-500:]}", 30)
            assert shown() <= len(site.requests)
            urllib.request.urlopen(f"{page}/stop", data=b"", timeout=10).close()
            until(lambda: shown() == len(site.requests), "all of them on the page", 10)
        finally:
            process.terminate()
            process.wait(15)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--requests", "absent.yaml"), "cannot read absent.yaml"),
        (("--requests", "bad.yaml"), "bad.yaml:1:22: unknown key 'gte': did you mean 'get'?"),
        (("--rate", "0"), "nothing is ever due"),
        (("--host", "ftp://shop"), "'ftp://shop' is not an http address"),
        ((), "there is no host"),
    ],
)
def test_bad_input_is_one_plain_error(file: str, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "bad.yaml").write_text("requests: [{name: a, gte: /}]\n")
    host = () if "--host" in words or not words else ("--host", "http://127.0.0.1:9")
    done = locust(file, *host, *words, "-t", "10s", cwd=tmp_path)
    assert done.returncode == 2 and said in done.stderr, done.stderr[-1000:]
    assert "Traceback" not in done.stderr
