"""Toxiproxy's API: one of its own clients, its statuses and words, and hostile input."""

from __future__ import annotations

import json
import socket

import pytest
import toxiproxy
from link_under_test import SECONDS, Echo, ask, call, line
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from lab.link.client import LinkClient, LinkedProxy
from lab.link.process import Link


def test_a_client_of_toxiproxy_drives_it(link: Link, client: LinkClient, echo: Echo) -> None:
    server = toxiproxy.Toxiproxy()
    server.update_api_consumer("127.0.0.1", int(link.client.url.rpartition(":")[2]))
    assert server.running() and json.loads(server.version())["version"].startswith("2.")
    proxy = server.create(upstream=echo.address, name="redis")
    assert server.get_proxy("redis").listen == proxy.listen != "127.0.0.1:0"
    with pytest.raises(ProxyExists):
        server.create(upstream=echo.address, name="redis")
    here = client.proxy("redis")
    with line(here) as sock:
        proxy.add_toxic(type="latency", attributes={"latency": 50, "jitter": 1})
        proxy.add_toxic(type="slow_close", name="slow", stream="upstream", toxicity=0.5)
        assert set(proxy.toxics()) == {"latency_downstream", "slow"}
        assert proxy.get_toxic("slow").toxicity == 0.5
        assert proxy.get_toxic("latency_downstream").attributes == {"latency": 50, "jitter": 1}
        assert ask(sock) > 0.045
        with pytest.raises(InvalidToxic):
            proxy.add_toxic(type="nonsense")
        assert proxy.destroy_toxic("slow")
        with pytest.raises(NotFound):
            proxy.destroy_toxic("slow")
    with proxy.down():
        with pytest.raises(ConnectionRefusedError), line(here):
            pass
        assert not server.get_proxy("redis").enabled
    assert server.reset() and proxy.toxics() == {}
    assert len(server.populate([{"name": "another", "upstream": echo.address}])) == 1
    server.destroy_all()
    assert server.proxies() == {}


REFUSED = [
    ("GET", "/proxies/none", None, 404, "proxy not found"),
    ("POST", "/proxies/none", {}, 404, "proxy not found"),
    ("DELETE", "/proxies/none", None, 404, "proxy not found"),
    ("GET", "/proxies/none/toxics", None, 404, "proxy not found"),
    ("POST", "/proxies/none/toxics", {"type": "latency"}, 404, "proxy not found"),
    ("GET", "/proxies/echo/toxics/none", None, 404, "toxic not found"),
    ("PATCH", "/proxies/echo/toxics/none", {}, 404, "toxic not found"),
    ("DELETE", "/proxies/echo/toxics/none", None, 404, "toxic not found"),
    ("POST", "/proxies", {"name": "echo", "upstream": "a:1"}, 409, "proxy already exists"),
    ("POST", "/proxies", {"upstream": "a:1"}, 400, "missing required field: name"),
    ("POST", "/proxies", {"name": "a"}, 400, "missing required field: upstream"),
    ("POST", "/proxies", "", 400, "bad request body: EOF"),
    ("POST", "/proxies", "{nonsense", 400, "bad request body: "),
    ("POST", "/proxies", {"name": 5}, 400, "bad request body: "),
    ("POST", "/proxies/echo/toxics", {"type": "nonsense"}, 400, "invalid toxic type"),
    ("POST", "/proxies/echo/toxics", {}, 400, "invalid toxic type"),
    (
        "POST",
        "/proxies/echo/toxics",
        {"type": "latency", "stream": "sideways"},
        400,
        "stream was invalid, can be either upstream or downstream",
    ),
    ("POST", "/proxies/echo/toxics", {"type": "latency", "name": "there"}, 409, "toxic already exists"),
    (
        "POST",
        "/proxies/echo/toxics",
        {"type": "latency", "attributes": {"latency": "long"}},
        400,
        "bad request body: ",
    ),
    ("POST", "/populate", [{"name": "a"}], 400, "missing required field: upstream at proxy 1"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "error"), REFUSED)
def test_errors_are_toxiproxys(
    proxy: LinkedProxy, client: LinkClient, method: str, path: str, body: object, status: int, error: str
) -> None:
    client.add_toxic("echo", "latency", {"latency": 1}, name="there")
    before = client.proxies()
    got, said, answer = call(client, method, path, body)
    assert (got, said["status"]) == (status, status)
    assert said["error"].startswith(error) if error.endswith(" ") else said["error"] == error
    assert answer.getheader("Content-Type") == "text/plain; charset=utf-8"
    assert client.proxies() == before


def test_statuses_and_bodies_are_toxiproxys(client: LinkClient, echo: Echo) -> None:
    made = call(client, "POST", "/proxies", {"name": "a", "upstream": echo.address, "listen": ":0"})
    assert made[0] == 201 and made[1]["enabled"] is True and made[1]["toxics"] == []
    assert made[1]["listen"].startswith("127.0.0.1:") and not made[1]["listen"].endswith(":0")
    assert call(client, "GET", "/proxies/a")[:2] == (200, made[1])
    assert call(client, "GET", "/proxies")[:2] == (200, {"a": made[1]})
    toxic = {"name": "t", "type": "bandwidth", "stream": "upstream", "toxicity": 1, "attributes": {"rate": 5}}
    sent = {**toxic, "stream": "UPSTREAM"}
    assert call(client, "POST", "/proxies/a/toxics", sent)[:2] == (200, toxic)
    assert call(client, "GET", "/proxies/a/toxics")[:2] == (200, [toxic])
    changed = {**toxic, "attributes": {"rate": 9}}
    assert call(client, "PATCH", "/proxies/a/toxics/t", {"attributes": {"rate": 9}})[:2] == (200, changed)
    assert call(client, "PATCH", "/proxies/a", {"enabled": False})[1]["enabled"] is False
    assert call(client, "POST", "/reset")[:2] == (204, b"")
    assert call(client, "GET", "/proxies/a")[:2] == (200, made[1])
    status, said, answer = call(client, "GET", "/version")
    assert (status, set(said)) == (200, {"version"})
    assert answer.getheader("Content-Type") == "application/json;charset=utf-8"
    assert call(client, "DELETE", "/proxies/a")[:2] == (204, b"")
    assert call(client, "GET", "/nothing")[0] == 404
    assert call(client, "PUT", "/proxies")[0] == 405


def test_populate_keeps_what_is_unchanged(proxy: LinkedProxy, client: LinkClient, echo: Echo) -> None:
    client.add_toxic("echo", "latency", {"latency": 1})
    same = {"name": "echo", "listen": proxy.listen, "upstream": echo.address}
    with line(proxy) as sock:
        status, said, _ = call(client, "POST", "/populate", [same, {"name": "new", "upstream": echo.address}])
        assert status == 201
        assert [len(one["toxics"]) for one in said["proxies"]] == [1, 0]
        ask(sock)
    changed = call(client, "POST", "/populate", [{**same, "upstream": "127.0.0.1:1"}])[1]["proxies"]
    assert changed[0]["toxics"] == [] and changed[0]["upstream"] == "127.0.0.1:1"


def test_an_address_by_its_name_is_the_same_address(client: LinkClient, echo: Echo) -> None:
    asked = {"name": "named", "listen": "localhost:0", "upstream": echo.address}
    assert call(client, "POST", "/proxies", asked)[0] == 201
    client.add_toxic("named", "latency", {"latency": 1})
    kept = call(client, "POST", "/populate", [asked])[1]["proxies"]
    assert [toxic["type"] for toxic in kept[0]["toxics"]] == ["latency"]


def test_a_port_that_is_taken_is_said_and_makes_no_proxy(client: LinkClient, echo: Echo) -> None:
    status, said, _ = call(
        client, "POST", "/proxies", {"name": "a", "listen": echo.address, "upstream": "127.0.0.1:1"}
    )
    assert (status, said["error"]) == (500, f"listen tcp {echo.address}: bind: address already in use")
    assert client.proxies() == {}


def test_browsers_are_refused(client: LinkClient) -> None:
    assert call(client, "GET", "/proxies", **{"User-Agent": "Mozilla/5.0 (X11)"})[0] == 403


def test_garbage_a_huge_body_and_a_slow_client_harm_nobody(proxy: LinkedProxy, client: LinkClient) -> None:
    address = (client.url.rpartition("/")[2].split(":")[0], int(client.url.rpartition(":")[2]))
    with socket.create_connection(address, timeout=SECONDS) as slow, line(proxy) as sock:
        slow.sendall(b"POST /proxies HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        with socket.create_connection(address, timeout=SECONDS) as garbage:
            garbage.sendall(b"\x00\xff\r\n\r\n" * 100)
            assert garbage.recv(1 << 16).startswith(b"HTTP/1.1 400")
        assert call(client, "POST", "/proxies", b"[" * (2 << 20))[0] == 413
        assert call(client, "POST", "/proxies", b"[" * 500_000)[0] == 400
        assert ask(sock) < 1
        assert client.is_ours()
