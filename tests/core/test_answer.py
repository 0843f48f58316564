"""The quick reading of an answer: it may decline, but never say something else than a full parser does."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lab.driver.fast.answer import Answer, HTTPParseError, whole


class Heard:
    """What a parser of another make finds in the same bytes."""

    def __init__(self) -> None:
        self.size = 0
        self.answers = 0

    def on_body(self, body: bytes) -> None:
        self.size += len(body)

    def on_message_complete(self) -> None:
        self.answers += 1


def read(part: bytes) -> tuple[int, int, bool] | None:
    """Status, size and whether the connection stays, of exactly one complete answer; None for anything else."""
    heard = Heard()
    parser = httptools.HttpResponseParser(heard)
    try:
        parser.feed_data(part)
    except httptools.HttpParserError:
        return None
    if heard.answers != 1:
        return None
    return parser.get_status_code(), heard.size, parser.should_keep_alive()


names = st.sampled_from(
    [
        "Content-Length",
        "content-length",
        "Transfer-Encoding",
        "Connection",
        "connection",
        "Date",
        "X-Content-Length",
    ]
)
texts = st.sampled_from(
    ["5", "05", "0", "+5", "5, 5", "close", "keep-alive", "Keep-Alive", "chunked", " 5 ", "é", ""]
)
heads = st.lists(st.tuples(names, texts), max_size=5)
statuses = st.sampled_from(["200", "204", "304", "404", "599", "103", "099", "20", "2x0", "700"])
bodies = st.sampled_from([b"", b"hello", b"hello!", b"0\r\n\r\n", b"\r\n\r\n"])


@given(statuses, heads, bodies)
@example("200", [("Content-Length", "5"), ("Connection", "close")], b"hello")
@example("204", [("Content-Length", "5")], b"hello")
@example("200", [("Content-Length", "5"), ("Content-Length", "6")], b"hello")
def test_it_never_differs_from_a_parser(status: str, head: list[tuple[str, str]], body: bytes) -> None:
    lines = [f"HTTP/1.1 {status} Word", *(f"{name}: {text}" for name, text in head)]
    part = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
    found = whole(bytearray(part + b"left over"), len(part))
    if found is not None:
        assert read(part) == (*found, True)


@pytest.mark.parametrize("name", ["Content-Length", "content-length"])
@pytest.mark.parametrize(
    "more",
    [
        "",
        "Connection: keep-alive\r\n",
        "Date: today\r\nCache-Control: no-store\r\nTiming-Allow-Origin: *\r\n",
    ],
)
def test_the_common_answer_is_read_at_once(name: str, more: str) -> None:
    part = f"HTTP/1.1 201 Created\r\n{more}{name}: 5\r\n{more}\r\nhello".encode()
    assert whole(part, len(part)) == (201, 5)


@given(st.binary(max_size=60))
def test_any_bytes_at_all(part: bytes) -> None:
    assert whole(part, len(part)) is None or part.startswith(b"HTTP/1.1 ")


def test_a_long_head_takes_no_time_to_decline() -> None:
    """Backtracking over header lines would take longer than the machine lives."""
    part = b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000
    assert whole(part, len(part)) is None


@given(st.lists(st.integers(1, 40), max_size=8), st.booleans())
def test_pieces_make_the_same_answer(cuts: list[int], chunked: bool) -> None:
    body = b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n" if chunked else b"hello"
    head = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 5"
    rest = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body
    answer = Answer()
    answer.reset(keep_body=True)
    for cut in cuts:
        if rest:
            assert not answer.complete
            answer.feed(rest[:cut])
            rest = rest[cut:]
    if rest:
        answer.feed(rest)
    assert (answer.complete, answer.status, answer.size, bytes(answer.body)) == (True, 200, 5, b"hello")


def test_garbage_is_refused() -> None:
    with pytest.raises(HTTPParseError):
        Answer().feed(b"SSH-2.0-OpenSSH\r\n\r\n")
