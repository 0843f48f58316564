"""The null server finds the end of every request, however the bytes come."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from lab.driver.null import whole_requests

BODY = st.binary(max_size=40)


def request(body: bytes | None) -> bytes:
    if body is None:
        return b"GET /page?n=1 HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n"
    return b"POST /cart HTTP/1.1\r\nHost: a\r\ncontent-LENGTH:  %d \r\nAccept: */*\r\n\r\n" % len(body) + body


@given(st.lists(st.none() | BODY, max_size=6), st.integers(1, 200))
def test_every_request_is_counted_once_wherever_its_bytes_are_cut(
    bodies: Sequence[bytes | None], size: int
) -> None:
    sent = b"".join(request(body) for body in bodies)
    rest, found = b"", 0
    for at in range(0, len(sent), size):
        more, rest = whole_requests(rest + sent[at : at + size])
        found += more
    assert (found, rest) == (len(bodies), b"")


def test_a_request_without_its_whole_body_is_not_answered() -> None:
    sent = request(b"12345")
    assert whole_requests(sent[:-1]) == (0, sent[:-1])
    assert whole_requests(sent + b"GET /") == (1, b"GET /")


def test_a_length_in_the_body_is_no_header() -> None:
    body = b"\r\nContent-Length: 99\r\n\r\n"
    assert whole_requests(request(body)) == (1, b"")
