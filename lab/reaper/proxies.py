"""Proxies that a run has made on a link which goes on without it."""

from __future__ import annotations

import contextlib
from urllib.parse import quote, urlsplit

_ANSWER_S = 5.0


def is_there(url: str, proxy: str) -> bool:
    """Not where the link has ended: its proxies go with it."""
    return _done("GET", url, proxy)


def remove(url: str, proxy: str) -> bool:
    """Whether there was anything to remove."""
    return _done("DELETE", url, proxy)


def _done(method: str, url: str, proxy: str) -> bool:
    from http.client import HTTPConnection, HTTPException  # takes a while, and few runs need it

    with contextlib.closing(HTTPConnection(urlsplit(url).netloc, timeout=_ANSWER_S)) as link:
        try:
            link.request(method, f"/proxies/{quote(proxy, safe='')}")
            return link.getresponse().status < 300
        except (OSError, HTTPException):
            return False
