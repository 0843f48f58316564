"""From what an HTTP client raises to a ``Failure``: the same words whichever client made the request."""

from __future__ import annotations

import errno
import http.client
import ssl
from collections.abc import Iterator
from socket import gaierror

import requests.exceptions as of_requests
import urllib3.exceptions as of_urllib3
from gevent import Timeout
from geventhttpclient._parser import HTTPParseError
from geventhttpclient.response import HTTPConnectionClosed

from lab.driver.words import Failure

_OURS = {errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}
_NO_WAY = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}
_MOST = 20  # causes of causes; a longer chain is a ring
_ENDED = ("connection closed", "incomplete", "eof")  # in what the parser says when nothing more came

_KINDS: tuple[tuple[type[BaseException], Failure], ...] = (
    (gaierror, Failure.UNREACHABLE),
    (of_urllib3.NameResolutionError, Failure.UNREACHABLE),
    (TimeoutError, Failure.TIMEOUT),
    (Timeout, Failure.TIMEOUT),
    (of_requests.Timeout, Failure.TIMEOUT),
    (of_urllib3.TimeoutError, Failure.TIMEOUT),
    (ssl.SSLEOFError, Failure.RESET),
    (ssl.SSLZeroReturnError, Failure.RESET),
    (ssl.SSLError, Failure.PROTOCOL),
    (http.client.RemoteDisconnected, Failure.RESET),
    (http.client.IncompleteRead, Failure.RESET),
    (HTTPConnectionClosed, Failure.RESET),
    (http.client.HTTPException, Failure.PROTOCOL),
    (of_urllib3.DecodeError, Failure.PROTOCOL),
    (of_requests.ContentDecodingError, Failure.PROTOCOL),
    (of_requests.TooManyRedirects, Failure.PROTOCOL),
    (of_requests.InvalidHeader, Failure.PROTOCOL),
)


def failure_of(error: BaseException) -> Failure | None:
    """How a request failed that ended in ``error``; None for what is no failure of transport."""
    found = [failure for one in _chain(error) if (failure := _one(one)) is not None]
    # The client's own words come first and say least: "connection aborted" around what really happened.
    return found[-1] if found else None


def failure_of_code(code: int | None) -> Failure:
    """How a request failed whose socket has this ``errno``."""
    if code == errno.ECONNREFUSED:
        return Failure.REFUSED
    if code == errno.ETIMEDOUT:
        return Failure.TIMEOUT
    if code in _NO_WAY:
        return Failure.UNREACHABLE
    return Failure.LOCAL if code in _OURS else Failure.RESET


def _one(error: BaseException) -> Failure | None:
    if isinstance(error, HTTPParseError):
        ended = any(word in str(error).lower() for word in _ENDED)
        return Failure.RESET if ended else Failure.PROTOCOL
    for kind, failure in _KINDS:
        if isinstance(error, kind):
            return failure
    if isinstance(error, of_requests.ConnectionError | of_requests.ChunkedEncodingError):
        return Failure.RESET
    if isinstance(error, OSError) and not isinstance(error, of_requests.RequestException) and error.errno:
        return failure_of_code(error.errno)
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, then what it wraps in whatever way its library does."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting and len(seen) < _MOST:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or any(one is other for other in seen):
            continue
        seen.append(one)
        yield one
        waiting += [*one.args, getattr(one, "reason", None), getattr(one, "original", None), one.__cause__]
