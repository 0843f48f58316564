"""Each toxic with real sockets: it bites open connections, delivers its dose, and heals."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from random import Random

import pytest
from link_under_test import SECONDS, ask, line, read, silent
from processes_under_test import until

from lab.errors import LabError
from lab.link.client import LinkClient, LinkedProxy


def fastest(sock: socket.socket) -> float:
    """Of 20 answers: what a busy machine adds to some of them is no dose."""
    return min(ask(sock) for _ in range(20))


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_latency_is_what_was_asked_for_and_leaves_no_trace(
    proxy: LinkedProxy, client: LinkClient, stream: str
) -> None:
    with line(proxy) as sock:
        plain = fastest(sock)
        client.add_toxic("echo", "latency", {"latency": 40}, stream=stream)
        assert fastest(sock) - plain == pytest.approx(0.040, abs=0.002)
        client.update_toxic("echo", f"latency_{stream}", {"latency": 80})
        assert fastest(sock) - plain == pytest.approx(0.080, abs=0.002)
        client.remove_toxic("echo", f"latency_{stream}")
        assert fastest(sock) < plain + 0.020


def test_what_waits_in_a_latency_is_delivered_when_it_goes(proxy: LinkedProxy, client: LinkClient) -> None:
    with line(proxy) as sock:
        client.add_toxic("echo", "latency", {"latency": 3_600_000})
        sock.sendall(b"wait")
        assert silent(sock)
        client.remove_toxic("echo", "latency_downstream")
        assert read(sock, 4) == b"wait"


def test_latency_is_a_longer_way_and_not_a_narrower_one(proxy: LinkedProxy, client: LinkClient) -> None:
    with line(proxy) as sock:
        client.add_toxic("echo", "latency", {"latency": 100})
        began = time.monotonic()
        sock.sendall(b"send 20000000")
        assert len(read(sock, 20_000_000)) == 20_000_000
        # One piece after another, each 100 ms later, would be more than 30 s.
        assert time.monotonic() - began < 5


def test_jitter_spreads_and_keeps_the_order(proxy: LinkedProxy, client: LinkClient) -> None:
    with line(proxy) as sock:
        client.add_toxic("echo", "latency", {"latency": 30, "jitter": 25})
        took = [ask(sock) for _ in range(40)]
        assert max(took) - min(took) > 0.025
        for n in range(50):
            sock.sendall(b"%02d" % n)
        assert read(sock, 100) == b"".join(b"%02d" % n for n in range(50))


def test_bandwidth_is_what_was_asked_for(proxy: LinkedProxy, client: LinkClient) -> None:
    with line(proxy) as sock:
        client.add_toxic("echo", "bandwidth", {"rate": 500})
        began = time.monotonic()
        sock.sendall(b"send 1000000")
        assert len(read(sock, 1_000_000)) == 1_000_000
        assert time.monotonic() - began == pytest.approx(2.0, rel=0.03)
        client.remove_toxic("echo", "bandwidth_downstream")
        began = time.monotonic()
        sock.sendall(b"send 1000000")
        assert len(read(sock, 1_000_000)) == 1_000_000
        assert time.monotonic() - began < 1.0


def test_no_bandwidth_lets_nothing_through_until_there_is_some(
    proxy: LinkedProxy, client: LinkClient
) -> None:
    with line(proxy) as sock:
        client.add_toxic("echo", "bandwidth", {})
        sock.sendall(b"wait")
        assert silent(sock)
        client.update_toxic("echo", "bandwidth_downstream", {"rate": 100})
        assert read(sock, 4) == b"wait"


def test_slow_close_delays_the_end_and_nothing_else(proxy: LinkedProxy, client: LinkClient) -> None:
    client.add_toxic("echo", "slow_close", {"delay": 400})
    with line(proxy) as sock:
        assert ask(sock) < 0.2
        sock.shutdown(socket.SHUT_WR)
        assert read(sock, 3) == b"bye"
        began = time.monotonic()
        assert sock.recv(1) == b""
        assert 0.35 < time.monotonic() - began < 2
    client.remove_toxic("echo", "slow_close_downstream")
    with line(proxy) as sock:
        began = time.monotonic()
        sock.shutdown(socket.SHUT_WR)
        assert read(sock, 4) == b"bye"
        assert time.monotonic() - began < 0.3


def test_timeout_drops_and_then_closes(proxy: LinkedProxy, client: LinkClient) -> None:
    with line(proxy) as sock:
        client.add_toxic("echo", "timeout", {"timeout": 400})
        began = time.monotonic()
        sock.sendall(b"lost")
        assert read(sock, 1) == b""
        assert 0.3 < time.monotonic() - began < 2


def test_timeout_without_end_drops_until_it_is_removed(proxy: LinkedProxy, client: LinkClient) -> None:
    with line(proxy) as loser, line(proxy) as idle:
        client.add_toxic("echo", "timeout", {"timeout": 0})
        loser.sendall(b"lost")
        assert silent(loser)
        client.remove_toxic("echo", "timeout_downstream")
        assert read(loser, 1) == b"", "a stream with a hole in it is closed"
        ask(idle)


@pytest.mark.parametrize("timeout", [0, 300])
def test_reset_peer_resets_open_and_new_connections(
    proxy: LinkedProxy, client: LinkClient, timeout: int
) -> None:
    with line(proxy) as sock:
        began = time.monotonic()
        client.add_toxic("echo", "reset_peer", {"timeout": timeout})
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
        assert time.monotonic() - began > timeout / 1e3 - 0.05
    with pytest.raises(ConnectionResetError), line(proxy, greeted=False) as sock:
        read(sock, 100)
    client.remove_toxic("echo", "reset_peer_downstream")
    with line(proxy) as sock:
        ask(sock)


def test_a_reset_that_is_taken_back_has_lost_nothing(proxy: LinkedProxy, client: LinkClient) -> None:
    with line(proxy) as sock:
        client.add_toxic("echo", "reset_peer", {"timeout": 60_000})
        sock.sendall(b"wait")
        assert silent(sock)
        client.reset()
        assert read(sock, 4) == b"wait"


def test_slicer_cuts_what_is_one_piece(proxy: LinkedProxy, client: LinkClient) -> None:
    text = bytes(range(250)) * 4

    def pieces(sock: socket.socket) -> list[bytes]:
        sock.sendall(text)
        found: list[bytes] = []
        while sum(map(len, found)) < len(text):
            found.append(sock.recv(1 << 16))
        assert b"".join(found) == text
        return found

    with line(proxy) as sock:
        client.add_toxic("echo", "slicer", {"average_size": 100, "size_variation": 20, "delay": 5_000})
        began = time.monotonic()
        assert len(pieces(sock)) >= 5
        assert 0.04 <= time.monotonic() - began < 1
        client.remove_toxic("echo", "slicer_downstream")
        assert len(pieces(sock)) <= 2


def test_limit_data_closes_after_so_many_bytes(proxy: LinkedProxy, client: LinkClient) -> None:
    with line(proxy) as sock:
        client.add_toxic("echo", "limit_data", {"bytes": 1000})
        sock.sendall(b"send 5000")
        assert len(read(sock, 5000)) == 1000
    client.remove_toxic("echo", "limit_data_downstream")
    with line(proxy) as sock:
        sock.sendall(b"send 5000")
        assert len(read(sock, 5000)) == 5000


def test_down_refuses_and_cuts_and_comes_back_at_the_same_place(
    proxy: LinkedProxy, client: LinkClient
) -> None:
    with line(proxy) as sock:
        assert not client.disable("echo").enabled
        with suppress(ConnectionResetError):
            assert sock.recv(1) == b""
    with pytest.raises(ConnectionRefusedError), line(proxy):
        pass
    assert client.enable("echo").listen == proxy.listen
    with line(proxy) as sock:
        ask(sock)


def test_toxics_of_a_direction_are_a_chain(proxy: LinkedProxy, client: LinkClient) -> None:
    with line(proxy) as sock:
        client.add_toxic("echo", "latency", {"latency": 50}, name="one")
        client.add_toxic("echo", "latency", {"latency": 30}, name="two")
        client.add_toxic("echo", "slicer", {"average_size": 1, "delay": 0}, name="three")
        assert fastest(sock) == pytest.approx(0.080, abs=0.008)
        client.remove_toxic("echo", "two")
        assert fastest(sock) == pytest.approx(0.050, abs=0.008)


def test_toxicity_covers_its_share_of_connections_once_and_for_all(
    proxy: LinkedProxy, client: LinkClient
) -> None:
    client.add_toxic("echo", "latency", {"latency": 1}, toxicity=0.3)

    def covered() -> list[str]:
        return [one["client"] for one in client.connections("echo") if one["toxics"]]

    socks = [socket.create_connection((proxy.host, proxy.port), timeout=SECONDS) for _ in range(200)]
    until(lambda: sum(one["upstream"] != "" for one in client.connections("echo")) == 200, "all connected")
    some = covered()
    assert 35 <= len(some) <= 85  # 60 expected; either bound is about four deviations away
    client.update_toxic("echo", "latency_downstream", {}, toxicity=0.6)
    assert set(some) < set(covered())
    client.update_toxic("echo", "latency_downstream", {}, toxicity=0.3)
    assert covered() == some
    for sock in socks:
        sock.close()


def test_nothing_is_lost_or_swapped_while_toxics_come_and_go(proxy: LinkedProxy, client: LinkClient) -> None:
    random, sent = Random(7), Random(1).randbytes(3_000_000)
    kinds = [
        ("latency", {"latency": 5, "jitter": 5}),
        ("bandwidth", {"rate": 20_000}),
        ("slicer", {"average_size": 5_000, "size_variation": 4_000, "delay": 50}),
        ("slow_close", {"delay": 10}),
    ]
    with line(proxy) as sock:
        talker = threading.Thread(target=sock.sendall, args=(sent,))
        talker.start()
        found = b""
        while len(found) < len(sent):
            for _ in range(2):
                (kind, attributes), stream = random.choice(kinds), random.choice(["upstream", "downstream"])
                with suppress(LabError):  # it is there already
                    client.add_toxic("echo", kind, attributes, stream=stream)
            for toxic in client.proxy("echo").toxics:
                if random.random() < 0.5:
                    client.remove_toxic("echo", toxic["name"])
            found += read(sock, min(100_000, len(sent) - len(found)))
        talker.join()
    assert found == sent
