"""The link with real sockets: what passes, what it can do beside Toxiproxy's API, and how it ends."""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from link_under_test import HELLO, SECONDS, Echo, ask, line, read
from processes_under_test import gone, orphan, until

from lab.errors import EnvironmentFailed, LabError
from lab.link.client import LinkClient, LinkedProxy
from lab.link.process import Link


def test_it_passes_everything_on_in_both_directions(proxy: LinkedProxy) -> None:
    with line(proxy, greeted=False) as sock:
        sock.sendall(b"early")  # before the upstream was dialled
        assert sorted(read(sock, 10)) == sorted(b"helloearly")
        sock.sendall(b"send 3000000")
        assert read(sock, 100) == bytes(100)
        sock.shutdown(socket.SHUT_WR)
        assert read(sock, 3_000_000) == bytes(2_999_900) + b"bye"


def test_the_end_of_one_direction_leaves_the_other_open(proxy: LinkedProxy) -> None:
    with line(proxy) as sock:
        sock.shutdown(socket.SHUT_WR)
        assert read(sock, 4) == b"bye"


def test_a_reset_is_passed_on(proxy: LinkedProxy, echo: Echo) -> None:
    with line(proxy) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until(lambda: echo.resets == 1, "the server met the client's reset")


def test_an_upstream_that_is_not_there_is_a_reset(client: LinkClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"127.0.0.1:{taken.getsockname()[1]}"
    proxy = client.create("nobody", nobody)
    with pytest.raises(ConnectionResetError), line(proxy, greeted=False) as sock:
        sock.recv(1)


def test_a_receiver_that_does_not_read_pauses_the_sender(client: LinkClient, link: Link) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = client.create("deaf", f"127.0.0.1:{server.getsockname()[1]}")
        before = psutil.Process(link.pid).memory_info().rss
        with line(proxy, greeted=False) as sock:
            deaf, _ = server.accept()
            sock.settimeout(0.5)
            with pytest.raises(TimeoutError):
                sock.sendall(bytes(64 << 20))
            assert psutil.Process(link.pid).memory_info().rss - before < 16 << 20
            deaf.close()


def test_many_connections_at_once(proxy: LinkedProxy, client: LinkClient) -> None:
    socks = [socket.create_connection((proxy.host, proxy.port), timeout=SECONDS) for _ in range(200)]
    client.add_toxic("echo", "latency", {"latency": 20})
    for n, sock in enumerate(socks):
        sock.sendall(b"%03d" % n)
    assert all(read(sock, 8) == HELLO + b"%03d" % n for n, sock in enumerate(socks))
    assert len(client.connections("echo")) == 200
    for sock in socks:
        sock.close()
    until(lambda: not client.connections("echo"), "all connections are forgotten")


def test_proxy_and_toxics_in_one_step_or_not_at_all(client: LinkClient, echo: Echo) -> None:
    proxy = client.create_with("both", echo.address, [{"type": "latency", "attributes": {"latency": 60}}])
    with line(proxy) as sock:
        assert ask(sock) > 0.055
    with pytest.raises(LabError, match="invalid toxic type"):
        client.create_with("half", echo.address, [{"type": "latency"}, {"type": "nonsense"}])
    assert set(client.proxies()) == {"both"}


def test_the_first_connections_fail_and_then_succeed(proxy: LinkedProxy, client: LinkClient) -> None:
    client.fail_first("echo", 2)
    for _ in range(2):
        with pytest.raises(ConnectionResetError), line(proxy, greeted=False) as sock:
            sock.recv(1)
    with line(proxy) as sock:
        ask(sock)


def test_open_connections_are_listed(proxy: LinkedProxy, client: LinkClient, echo: Echo) -> None:
    assert client.connections("echo") == []
    with line(proxy) as sock:
        client.add_toxic("echo", "latency", {"latency": 1}, stream="upstream")
        ask(sock, b"ten bytes.")
        (one,) = client.connections("echo")
        host, port = sock.getsockname()
        assert one["client"] == f"{host}:{port}"
        assert one["upstream"] == echo.address
        assert (one["bytes_upstream"], one["bytes_downstream"]) == (10, 15)
        assert one["toxics"] == ["latency_upstream"]
        assert 0 <= time.time() - one["opened_at"] < 60
    until(lambda: client.connections("echo") == [], "the connection is forgotten")


def test_a_real_toxiproxy_is_told_from_ours_and_is_not_asked_for_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            sock, _ = server.accept()
            with sock:
                sock.recv(1 << 16)
                sock.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        real = LinkClient(f"http://127.0.0.1:{server.getsockname()[1]}")
        assert not real.is_ours()
        for refused in (
            lambda: real.connections("a"),
            lambda: real.fail_first("a", 1),
            lambda: real.create_with("a", "b:1", []),
        ):
            with pytest.raises(LabError, match="real Toxiproxy"):
                refused()


def test_an_attribute_that_the_link_did_not_take_is_an_error(proxy: LinkedProxy, client: LinkClient) -> None:
    with pytest.raises(LabError, match="did not take latenzy"):
        client.add_toxic("echo", "latency", {"latenzy": 5})
    assert client.proxy("echo").toxics == []


def listeners(pid: int) -> list[int]:
    return [
        one.laddr.port
        for one in psutil.Process(pid).net_connections("tcp")
        if one.status == psutil.CONN_LISTEN
    ]


def test_it_ends_with_its_parent() -> None:
    pid = orphan("from lab.link.process import Link; it = Link.start(1, lambda _: None)", Path())
    until(lambda: gone(pid), "the link ended with the process that started it")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_every_listener(number: signal.Signals, echo: Echo) -> None:
    link = Link.start(1, lambda _what: None)
    proxy = link.client.create("echo", echo.address)
    with line(proxy) as sock:
        assert len(listeners(link.pid)) == 2
        psutil.Process(link.pid).send_signal(number)
        with suppress(ConnectionResetError):
            assert sock.recv(1) == b""
    until(lambda: gone(link.pid), "the link ended")
    assert link._process.wait() == 0
    link.close()
    with pytest.raises(ConnectionRefusedError), line(proxy):
        pass


def test_by_hand_it_says_how_to_use_it_and_a_taken_port_is_told() -> None:
    command = [sys.executable, "-P", "-m", "lab", "link"]
    with subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        client = LinkClient(first.split()[4])
        assert client.is_ours()
        taken = subprocess.run(
            [*command, "--port", client.url.rpartition(":")[2]],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert taken.returncode == 4
        assert "why: Address already in use" in taken.stderr and "--port" in taken.stderr
        process.send_signal(signal.SIGINT)
        assert "curl" in process.stdout.read()
    assert process.returncode == 0
    with pytest.raises(EnvironmentFailed, match="does not answer"):
        client.version()
