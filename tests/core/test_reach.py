"""Which addresses a load may reach, and what is told of those that it may not."""

from __future__ import annotations

import errno
import socket
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from types import SimpleNamespace as FakeNamed
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.cli.hosts import allowed
from lab.cli.run import Asked, again
from lab.driver import reach as module
from lab.driver.options import options
from lab.driver.reach import MOST_TOLD, NotAllowed, Reach, may_load
from lab.errors import LabError
from lab.loads.open import refuse_strange
from lab.model.load import GeneratorChecks
from lab.runner.validity import fatal, remedy

THERE, SCOPED = "192.0.2.1", "fe80::1%eth0"
HERE_4, HERE_6 = ip_network("127.0.0.0/8"), ip_address("::1")
CLEAN = GeneratorChecks(
    asked=9, sent=9, answered=9, schedule_error_p50_s=0.0, schedule_error_p99_s=0.0, cpu_share_max=0.1,
    idle_connections=True, achieved=1.0, cpu_s=0.05, queued=0, retried=0, recorded=9, counted=9,
)  # fmt: skip
BOOK = {
    "localhost": ("127.0.0.1", "::1"),
    "shop.example": (THERE, "2001:db8::7"),
    "both.example": (THERE, "127.0.1.1"),
}


@pytest.fixture(autouse=True)
def book(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver without a network."""

    def look_up(host: str, _port: object) -> list[Any]:
        if (host := host.lower()) not in BOOK:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(0, 0, 0, "", (address, 0)) for address in BOOK[host]]

    monkeypatch.setattr(module, "getaddrinfo", look_up)


def connect(reach: Reach, address: Any, event: str = "socket.connect", family: int = socket.AF_INET) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        reach.audit(event, (one, address))


@given(st.ip_addresses())
def test_nothing_but_loopback_and_what_was_allowed(address: IPv4Address | IPv6Address) -> None:
    here = address == HERE_6 or (isinstance(address, IPv4Address) and address in HERE_4)
    mapped = getattr(address, "ipv4_mapped", None)
    assert Reach().permits(str(address)) is (here or (mapped is not None and mapped in HERE_4))
    assert Reach([str(address)]).permits(str(address))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_an_ipv6_one_is_what_it_holds(address: IPv4Address) -> None:
    assert Reach().permits(f"::ffff:{address}") is (address in HERE_4)
    assert Reach([str(address)]).permits(f"::ffff:{address}")


def test_names_stand_for_all_their_addresses() -> None:
    reach = Reach(["shop.example"])
    assert all(map(reach.permits, ("localhost", "shop.example", THERE, "2001:db8::7", "both.example")))
    # What is connected is an address: of a name with both, those of this machine.
    strict = Reach()
    assert not strict.permits("both.example") and strict.permits("127.0.1.1") and not strict.permits(THERE)
    assert not strict.permits("nobody.example") and not strict.permits("")
    assert Reach([SCOPED]).permits("fe80::1%eth1")


def test_the_host_of_an_order_is_allowed_until_the_next() -> None:
    reach = Reach()
    reach.order(f"http://{THERE}:8000")
    assert reach.permits(THERE)
    reach.order("http://[::1]:8000")
    assert not reach.permits(THERE)


@pytest.mark.parametrize("event", ["socket.connect", "socket.sendto", "socket.sendmsg"])
def test_a_refusal_is_an_unreachable_host(event: str) -> None:
    reach = Reach()
    for address in ((THERE, 80), (b"192.0.2.1", 80), ("2001:db8::7", 80, 0, 0)):
        with pytest.raises(NotAllowed) as refused:
            connect(reach, address, event)
        assert isinstance(refused.value, OSError) and refused.value.errno == errno.EHOSTUNREACH
    assert reach.kept_off() == (THERE, "2001:db8::7")
    assert reach.kept_off() == ()


@pytest.mark.parametrize(
    ("event", "address", "family"),
    [
        ("socket.connect", ("127.0.0.1", 80), socket.AF_INET),
        ("socket.connect", ("::1", 80, 0, 0), socket.AF_INET6),
        ("socket.connect", "/run/any.sock", socket.AF_UNIX),
        ("socket.sendmsg", None, socket.AF_INET),  # to where it is connected
        ("socket.bind", (THERE, 80), socket.AF_INET),
    ],
)
def test_what_stays_on_this_machine_passes(event: str, address: Any, family: int) -> None:
    reach = Reach()
    connect(reach, address, event, family)
    assert reach.kept_off() == ()


def test_refusals_are_told_by_the_name_that_was_looked_up() -> None:
    reach = Reach()
    for name in ("localhost", b"shop.example", None, THERE):
        reach.audit("socket.getaddrinfo", (name, 80, 0, 0, 0))
    for address in (THERE, "2001:db8::7", "198.51.100.9"):
        with pytest.raises(NotAllowed):
            connect(reach, (address, 80))
    assert reach.kept_off() == ("shop.example", "198.51.100.9")


def test_only_so_many_are_told() -> None:
    reach = Reach()
    for n in range(200):
        with pytest.raises(NotAllowed):
            connect(reach, (f"192.0.2.{n}", 80))
    assert reach.kept_off() == tuple(f"192.0.2.{n}" for n in range(MOST_TOLD))


@pytest.mark.parametrize(
    ("url", "allow", "may"),
    [
        ("http://127.0.0.1:8000", (), True),
        ("http://[::1]:8000", (), True),
        ("http://localhost:8000", (), True),
        ("http://both.example", (), True),  # the driver keeps to the address of this machine
        ("http://shop.example", (), False),
        ("http://Shop.example", ("SHOP.example",), True),
        (f"http://{THERE}:80", (), False),
        (f"http://{THERE}:80", (THERE,), True),
        (f"http://{THERE}:80", ("shop.example",), True),
        ("http://[2001:DB8:0::7]:80", ("2001:db8::7",), True),
        ("http://[2001:db8::8]:80", ("2001:db8::7",), False),
        ("http://nobody.example", (), True),  # and cannot be reached
    ],
)
def test_the_app_of_an_order(url: str, allow: tuple[str, ...], may: bool) -> None:
    assert may_load(url, allow) is may


def test_an_app_elsewhere_is_refused_in_words() -> None:
    with pytest.raises(LabError, match=r"no load may go to 192\.0\.2\.1") as refused:
        refuse_strange(f"http://{THERE}:80", ())
    assert "--allow-host 192.0.2.1" in refused.value.do and refused.value.where == f"http://{THERE}:80"


def test_allowed_hosts_are_hosts() -> None:
    assert allowed([THERE, "shop.example", "2001:db8::7", THERE]) == (THERE, "shop.example", "2001:db8::7")
    for wrong in ("http://shop.example", "shop.example:80", "shop.example/a", "", "[::1]", "me@shop.example"):
        with pytest.raises(LabError, match="is not a host"):
            allowed([wrong])
    with pytest.raises(LabError, match=r"nobody knows nobody\.example"):
        allowed(["nobody.example"])


def test_a_load_that_was_held_back_ends_the_run() -> None:
    assert fatal(replace(CLEAN, kept_off=(THERE,))) == "the load asked 192.0.2.1, which is not allowed"
    both = replace(CLEAN, kept_off=("a.example", "b.example"))
    assert fatal(both) == "the load asked a.example and b.example, which are not allowed"
    why, do = remedy(both)
    assert "unless a host is allowed" in why
    assert do.startswith("--allow-host a.example --allow-host b.example ")
    lost = replace(both, workers=2, workers_lost=1)  # the graver of the two is told
    assert "lost in the middle" in fatal(lost) and "logs/load.log" in remedy(lost)[1]


def test_allowed_hosts_go_to_every_process_of_the_driver() -> None:
    words = [f"--allow={host}" for host in ("shop.example", "2001:db8::7")]
    for kind in (["17"], ["17", "--workers=2"], ["--master=192.0.2.7:5557"]):
        assert options([*kind, *words]).allow == ("shop.example", "2001:db8::7")
        assert options(kind).allow == ()


def test_a_run_is_repeated_with_the_hosts_that_it_was_allowed() -> None:
    asked = Asked(names=("stampede",), allow=(THERE, "shop.example"))
    found = again(asked, FakeNamed(slug="stampede"), FakeNamed(seed=7, stack="embedded"))  # type: ignore[arg-type]
    assert "--allow-host 192.0.2.1 --allow-host shop.example" in found
