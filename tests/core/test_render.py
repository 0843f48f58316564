"""The bytes of a request say what was asked, as a parser of HTTP reads them, and nothing else."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lab.driver.render import messages
from lab.driver.values import Target

APP = "http://127.0.0.1:8000"
anything = st.text(st.characters(exclude_categories=["Cs"]))
tokens = st.text("!#$%&'*+-.^_`|~09AZaz", min_size=1)
headers = st.lists(st.tuples(tokens, anything), max_size=4)


class Heard:
    """A request as a server hears it."""

    def __init__(self, message: bytes) -> None:
        self.headers: dict[str, str] = {}
        self.url, self.body, self.complete = b"", b"", 0
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(message)
        self.method = parser.get_method().decode()
        self.version = parser.get_http_version()
        self.keep_alive = parser.should_keep_alive()

    def on_url(self, part: bytes) -> None:
        self.url += part

    def on_header(self, name: bytes, text: bytes) -> None:
        assert name.decode().lower() not in self.headers
        self.headers[name.decode().lower()] = text.decode()

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        self.complete += 1


def heard(url: str = APP, method: str = "GET", path: str = "/", **parts: object) -> Heard:
    found = Heard(messages(url, [Target(0, method, path, **parts)])[0])  # type: ignore[arg-type]
    assert found.complete == 1
    return found


def test_the_bytes_of_a_plain_request() -> None:
    assert messages(APP, [Target(0, "GET", "/a?b=c")]) == [
        b"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: incident-lab\r\nAccept: */*\r\n\r\n"
    ]


def test_the_bytes_of_a_request_with_a_body() -> None:
    target = Target(0, "PUT", "/a", (("X-A", "b"),), b'{"c":1}')
    assert messages(APP, [target])[0].split(b"\r\n") == [
        b"PUT /a HTTP/1.1", b"Host: 127.0.0.1:8000", b"User-Agent: incident-lab", b"Accept: */*",
        b"Content-Type: application/json", b"X-A: b", b"Content-Length: 7", b"", b'{"c":1}',
    ]  # fmt: skip


@given(st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]), anything, st.binary(max_size=40))
@example("GET", " HTTP/1.1\r\nX-Evil: 1\r\n\r\n", b"")
@example("GET", "%zz%2", b"")
def test_path_and_body_arrive_as_they_were_asked(method: str, path: str, body: bytes) -> None:
    found = heard(method=method, path="/" + path, body=body)
    assert (found.method, found.version, found.body) == (method, "1.1", body)
    assert found.keep_alive
    if not re.search("%[0-9A-Fa-f]{2}", path):  # else part of it was encoded already
        assert unquote_to_bytes(found.url) == ("/" + path).encode()
    expected = str(len(body)) if body or method in ("POST", "PUT", "PATCH") else None
    assert found.headers.get("content-length") == expected


@given(headers)
@example([("a", "b\r\nc: d")])
@example([("Host", "elsewhere")])
@example([("a", "ä")])
def test_headers_arrive_as_they_were_asked_or_are_refused(asked: list[tuple[str, str]]) -> None:
    try:
        (message,) = messages(APP, [Target(0, "GET", "/", tuple(asked))])
    except ValueError:
        ours = {"host", "content-length", "transfer-encoding", "connection"}
        assert any(name.lower() in ours or not text.isprintable() for name, text in asked)
        return
    lines = message.decode().split("\r\n")
    defaults = {"user-agent", "accept"} - {name.lower() for name, _ in asked}
    assert lines[-2:] == ["", ""]
    assert lines[2 + len(defaults) : -2] == [f"{name}: {text}" for name, text in asked]


def test_what_the_headers_say_goes_before_the_defaults() -> None:
    own = (("user-agent", "a"), ("ACCEPT", "b"), ("Content-type", "text/plain"))
    assert heard(method="POST", headers=own, body=b"words").headers == {
        "host": "127.0.0.1:8000", "user-agent": "a", "accept": "b", "content-type": "text/plain",
        "content-length": "5",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("http://127.0.0.1:80", "127.0.0.1", "/x"),
        ("http://localhost:8080/", "localhost:8080", "/x"),
        ("HTTP://LocalHost/shop/v1/", "localhost", "/shop/v1/x"),
        ("http://[::1]:9000", "[::1]:9000", "/x"),
        ("http://[fe80::1%25eth0]", "[fe80::1]", "/x"),
        ("http://bücher.example/ä", "xn--bcher-kva.example", "/%C3%A4/x"),
    ],
)
def test_host_and_prefix_come_from_the_address(url: str, host: str, path: str) -> None:
    found = heard(url, path="/x")
    assert (found.headers["host"], found.url.decode()) == (host, path)


@pytest.mark.parametrize(
    "url",
    ["https://a", "ftp://a", "a:80", "http://", "", "http://a:port", "http://a:99999", "http://u:p@a", "http://a?b",
     "http://a#b", "http://[::1", "http://a b", "http://" + "a" * 64],
)  # fmt: skip
def test_any_other_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not a plain http address"):
        messages(url, [])


@pytest.mark.parametrize(
    "target",
    [
        Target(0, "GET", "a"),
        Target(0, "GET", ""),
        Target(0, "GET /\r\n", "/"),
        Target(0, "", "/"),
        Target(0, "GET", "/", (("a b", "c"),)),
        Target(0, "GET", "/", (("", "c"),)),
        Target(0, "GET", "/", (("a", "c\n"),)),
        Target(0, "GET", "/", (("a", "\0"),)),
        Target(0, "GET", "/", (("TRANSFER-ENCODING", "chunked"),)),
    ],
)
def test_what_is_no_request_is_refused(target: Target) -> None:
    with pytest.raises(ValueError):
        messages(APP, [target])


def test_equal_targets_share_their_bytes() -> None:
    one, other = Target(0, "GET", "/a"), Target(0, "GET", "/b")
    found = messages(APP, [one, other, Target(0, "GET", "/a")])
    assert found[0] is found[2] is not found[1]
