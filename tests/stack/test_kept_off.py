"""What a user's own code asks of other hosts never leaves this machine, in the driver and in its workers."""

from __future__ import annotations

from pathlib import Path

import pytest
from load_under_test import Loading, found
from web_under_test import serving

from lab.errors import LabError
from lab.loads.open import BlockLoad, Failure, Open
from lab.model.scenario import Request
from lab.runner.validity import fatal, remedy

THERE = "192.0.2.1"  # reserved for documentation: nothing is ever there
SHOP = """
import errno
import socket

from locust import FastHttpUser, HttpUser, task


class Plain(HttpUser):
    @task
    def ask(self):
        self.client.get("/ok", name="app")
        self.client.get("http://%(there)s:9/", name="there")
        self.client.get("http://localhost:%(second)d/ok", name="second")


class Quick(FastHttpUser):
    @task
    def ask(self):
        self.client.get("/ok", name="app")
        self.client.get("http://%(there)s:9/", name="there")


class Raw(HttpUser):
    @task
    def ask(self):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as one:
                code = one.connect_ex(("%(there)s", 9))
            assert code == errno.EHOSTUNREACH, code
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            try:
                one.sendto(b"any", ("%(there)s", 9))
            except OSError as refused:
                assert refused.errno == errno.EHOSTUNREACH, refused
                self.client.get("/ok", name="app")
"""


def asked(
    folder: Path, users: tuple[str, ...], *, allow: tuple[str, ...] = (), workers: int = 0
) -> BlockLoad:
    """One block of these users, who ask the app, another server here and one that is not here."""
    driver = Open(folder, own=lambda _: None, allow=allow, workers=workers)
    try:
        driver.ready()
        with serving() as site, serving() as second:
            file = folder / "shop_users.py"
            file.write_text(SHOP % {"there": THERE, "second": int(second.url.rpartition(":")[2])})
            return Loading(driver, folder).play(site.url, rate=40, locustfile=file, user_classes=users)
    finally:
        driver.close()


def ways(load: BlockLoad) -> set[tuple[str, Failure]]:
    return {(name, failure) for name, failure, _ in found(load)}


@pytest.mark.parametrize("workers", [0, 2])
def test_other_hosts_cannot_be_reached_and_are_told(tmp_path: Path, workers: int) -> None:
    load = asked(tmp_path, ("Plain", "Quick"), workers=workers)
    assert ways(load) == {
        ("app", Failure.NONE), ("second", Failure.NONE), ("there", Failure.UNREACHABLE),
    }  # fmt: skip
    assert load.checks.kept_off == (THERE,)
    assert fatal(load.checks) == "the load asked 192.0.2.1, which is not allowed"
    assert remedy(load.checks)[1].startswith("--allow-host 192.0.2.1 if it is yours")


def test_sockets_of_a_user_are_held_as_well(tmp_path: Path) -> None:
    load = asked(tmp_path, ("Raw",))
    assert ways(load) == {("app", Failure.NONE)}
    assert load.checks.kept_off == (THERE,)


def test_an_app_elsewhere_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    driver = Open(tmp_path, own=lambda _: None)
    try:
        driver.ready()
        lab = Loading(driver, tmp_path)
        with pytest.raises(LabError, match=r"no load may go to 192\.0\.2\.1"):
            lab.play(f"http://{THERE}:9", Request(name="ok", get="/ok"))
        with serving() as site:  # and nothing is under way
            load = lab.play(site.url.replace("127.0.0.1", "localhost"), Request(name="ok", get="/ok"))
    finally:
        driver.close()
    assert ways(load) == {("ok", Failure.NONE)} and load.checks.kept_off == ()
