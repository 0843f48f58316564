"""Load that the fast executor cannot make: https, and users who each wait for their answer."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from load_under_test import Loading, failures, found, loading
from web_under_test import serving

from lab.errors import EnvironmentFailed
from lab.loads.open import Failure
from lab.model.scenario import Expect, Request

OK = Request(name="ok", get="/ok")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loading]:
    with loading(tmp_path_factory.mktemp("flow")) as one:
        yield one


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """One that nobody has signed but itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    key, cert = (str(tmp_path_factory.mktemp("tls") / name) for name in ("key.pem", "cert.pem"))
    made = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    subprocess.run([*made, "-keyout", key, "-out", cert], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


@pytest.mark.parametrize(
    "path",
    ["/ok", "/fail", "/nothing", "/chunked", "/early", "/last", "/moved", "/garbage", "/half", "/drop"],
)
def test_answers_of_every_kind_come_out_as_on_fast(lab: Loading, path: str) -> None:
    with serving() as site:
        request = Request(name="r", get=path)
        loads = [
            lab.play(site.url, request, length_s=0.1, executor=executor) for executor in ("fast", "flow")
        ]
    fast, flow = loads
    assert len(flow.samples) == 10
    assert found(fast) == found(flow)
    assert set(fast.samples["bytes"]) == set(flow.samples["bytes"])
    assert fast.samples["due_ns"].tolist() != flow.samples["due_ns"].tolist()
    assert (flow.checks.executor, flow.checks.because) == ("flow", "it was asked for")
    assert flow.checks.asked == flow.checks.recorded == flow.checks.counted == len(site.requests) // 2
    assert {target for _, target, _ in site.requests} == {path}


def test_expectations_are_those_of_fast(lab: Loading) -> None:
    requests = (
        Request(name="hello", get="/chunked", expect=Expect(contains="hello")),
        Request(name="bye", get="/ok", expect=Expect(contains="bye")),
        Request(name="gone", get="/missing", expect=Expect(status=(404,), contains="hel")),
        Request(name="made", post="/ok", body={"a": 1}, expect=Expect(status=(201,))),
    )
    with serving() as site:
        fast, flow = (lab.play(site.url, *requests, executor=executor) for executor in ("fast", "flow"))
    assert found(fast) == found(flow)
    assert {(name, failure) for name, failure, _ in found(flow)} == {
        ("hello", Failure.NONE), ("bye", Failure.CONTENT), ("gone", Failure.NONE), ("made", Failure.STATUS),
    }  # fmt: skip
    assert {body for method, _, body in site.requests if method == "POST"} == {b'{"a":1}'}


def test_https_is_flows_by_itself_and_keeps_its_connections(
    lab: Loading, certificate: ssl.SSLContext
) -> None:
    with serving(tls=certificate) as site:
        load = lab.play(site.url, OK)
        opened = site.connections
        again = lab.play(site.url, OK)
        assert site.connections < opened + 10
    assert failures(load) == failures(again) == {Failure.NONE}
    assert (load.checks.executor, load.checks.because) == ("flow", "https is not plain http")
    assert load.checks.counted == load.checks.recorded == len(load.samples) == 30


def test_tls_that_is_none_is_a_counted_failure(lab: Loading) -> None:
    def greet(listening: socket.socket) -> None:
        try:
            while True:
                connection, _ = listening.accept()
                with connection:
                    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
                    connection.recv(4096)
        except OSError:
            return  # the test is over

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=greet, args=(listening,), daemon=True)
        thread.start()
        load = lab.play(f"https://127.0.0.1:{listening.getsockname()[1]}", OK, length_s=0.1)
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)
    assert failures(load) <= {Failure.PROTOCOL, Failure.RESET} and len(load.samples) == 10


def test_nobody_there_is_a_counted_failure(lab: Loading) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    refused = lab.play(f"http://127.0.0.1:{port}", OK, executor="flow", length_s=0.1)
    assert failures(refused) == {Failure.REFUSED} and len(refused.samples) == 10
    with pytest.raises(EnvironmentFailed, match="'ftp://shop' is not an http address"):
        lab.play("ftp://shop", OK)


def test_above_the_cap_requests_wait_in_line_and_their_waiting_is_latency(lab: Loading) -> None:
    with serving(delay_s=0.05) as site:
        load = lab.play(site.url, OK, executor="flow", rate=50, length_s=0.4, connections=1)
        assert site.most_open == 1
    rows = load.samples
    assert failures(load) == {Failure.NONE} and len(rows) == 20
    assert load.checks.queued >= 15 and not load.checks.idle_connections
    assert np.median((rows["done_ns"] - rows["sent_ns"]) / 1e9) < load.latency_s.max() - 0.2
    assert load.latency_s.max() > 20 * 0.05 - 0.4


def test_an_app_that_never_answers_ends_in_time_outs(lab: Loading) -> None:
    with serving() as site:
        hang = Request(name="hang", get="/hang")
        load = lab.play(site.url, hang, executor="flow", timeout_s=0.3, connections=5)
        after = lab.play(site.url, OK, executor="flow")
    assert failures(load) == {Failure.TIMEOUT} and load.latency_s == pytest.approx(0.3)
    assert load.checks.queued > 10
    assert failures(after) == {Failure.NONE}


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_connection_closed_under_a_request_is_tried_again_for_get_only(lab: Loading, method: str) -> None:
    with serving() as site:
        once = Request(name="once", **{method: "/once"})  # type: ignore[arg-type]
        load = lab.play(site.url, once, rate=50, length_s=0.5, executor="flow")
    if method == "get":
        assert failures(load) == {Failure.NONE} and load.checks.retried > 5
    else:
        assert failures(load) == {Failure.NONE, Failure.RESET} and load.checks.retried == 0


def test_closed_users_ask_one_after_another_and_count_from_the_send(lab: Loading) -> None:
    requests = (OK, Request(name="bad", post="/fail", weight=0.5))
    with serving(delay_s=0.01) as site:
        load = lab.play(site.url, *requests, rate=0, length_s=0.5, users=3)
        assert site.most_open == 3 and len(load.samples) == len(site.requests)
    rows, checks = load.samples, load.checks
    assert set(found(load)) == {("ok", Failure.NONE, 200), ("bad", Failure.STATUS, 500)}
    assert rows["due_ns"].tolist() == rows["sent_ns"].tolist() == sorted(rows["due_ns"].tolist())
    assert rows["due_ns"].min() >= lab.start_ns and rows["due_ns"].max() < lab.start_ns + 500_000_000
    assert 6 <= len(rows) <= 3 * 50
    assert checks.asked == checks.sent == checks.recorded == checks.counted == len(rows)
    assert (checks.executor, checks.because) == ("closed", "its users wait for their answers")
    assert (checks.schedule_error_p99_s, checks.achieved, checks.connections) == (0.0, 1.0, 3)


def test_closed_load_hides_a_stall_that_open_load_shows(lab: Loading) -> None:
    shares = {}
    for users, rate in ((0, 150), (4, 0)):
        with serving(delay_s=0.005) as site:
            load = lab.play(
                site.url, OK, rate=rate, users=users, length_s=1.0,
                during=lambda start_ns, site=site: site.stall(start_ns + 250_000_000, 0.5),
            )  # fmt: skip
        shares[users] = float(np.mean(load.latency_s > 0.1))
    assert shares[0] > 0.2
    assert shares[4] < shares[0] / 3


def test_closed_load_waits_no_longer_than_the_time_out(lab: Loading) -> None:
    with serving() as site:
        load = lab.play(
            site.url, Request(name="hang", get="/hang"), rate=0, users=2, length_s=0.2, timeout_s=0.3
        )
    assert failures(load) == {Failure.TIMEOUT} and len(load.samples) == 2
    assert load.latency_s == pytest.approx(0.3)
