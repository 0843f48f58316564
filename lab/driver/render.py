"""The bytes of HTTP/1.1 requests. Pure.

Whatever a target holds, one request comes out: no text of it can end a line or the head early.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from lab.driver.urls import encoded, encoded_path
from lab.driver.values import Headers, Target
from lab.model.headers import CONTROL, OURS, TOKEN

DEFAULTS = (("User-Agent", "incident-lab"), ("Accept", "*/*"))
JSON = ("Content-Type", "application/json")
_BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})


def messages(url: str, targets: Sequence[Target]) -> list[bytes]:
    """The bytes of each request to the app at ``url``, its base address; equal targets share one object.

    ValueError unless ``url`` is plain ``http`` with nothing but host, port and path, and for methods, paths
    and headers that HTTP does not know or that are not the caller's to set (Host, Content-Length,
    Transfer-Encoding, Connection).
    """
    writer = _Writer(*_address(url))
    made: dict[Target, bytes] = {}
    found = []
    for target in targets:
        message = made.get(target)
        if message is None:
            message = made[target] = writer.message(target)
        found.append(message)
    return found


@dataclass
class _Writer:
    """Heads that were written once, by what they depend on. ``prefix`` is the path of the base address."""

    host: str
    prefix: str
    _lines: dict[str, str] = field(default_factory=dict)
    _heads: dict[tuple[Headers, bool], str] = field(default_factory=dict)

    def message(self, target: Target) -> bytes:
        _, method, path, headers, body, _ = target
        line = self._lines.get(method) or self._line(method)
        head = self._heads.get((headers, body != b"")) or self._head(headers, body != b"")
        if body or method not in _BODILESS:
            head = f"{head}Content-Length: {len(body)}\r\n"
        return f"{line}{encoded(path)} HTTP/1.1\r\n{head}\r\n".encode() + body

    def _line(self, method: str) -> str:
        if not TOKEN.fullmatch(method):
            raise ValueError(f"{method!r} is not a method of HTTP")
        self._lines[method] = f"{method} {self.prefix}"
        return self._lines[method]

    def _head(self, headers: Headers, body: bool) -> str:
        for name, text in headers:
            _check(name, text)
        named = {name.lower() for name, _ in headers}
        defaults = (*DEFAULTS, JSON) if body else DEFAULTS
        own = [one for one in defaults if one[0].lower() not in named]
        lines = [f"{name}: {text}\r\n" for name, text in (("Host", self.host), *own, *headers)]
        return self._heads.setdefault((headers, body), "".join(lines))


def _check(name: str, text: str) -> None:
    if not TOKEN.fullmatch(name) or CONTROL.search(text):
        raise ValueError(f"no header can say {name!r}: {text!r}")
    if name.lower() in OURS:
        raise ValueError(f"the header {name} is not the caller's to set")


def _address(url: str) -> tuple[str, str]:
    """Host with port as the Host header has them, and the path that stands before every other."""
    try:
        parts = urlsplit(url)
        host = _host(parts)
    except ValueError:
        host = ""
    if not host or parts.scheme != "http" or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"{url!r} is not a plain http address: http://HOST[:PORT][/PATH]")
    return host, encoded_path(parts.path.rstrip("/"))


def _host(parts: SplitResult) -> str:
    """IPv6 in brackets, the port where it is not 80, letters as DNS has them; empty where it is no host."""
    name = parts.hostname or ""
    port = "" if parts.port in (None, 80) else f":{parts.port}"
    if ":" in name:
        address = name.partition("%")[0]  # the zone behind it is this machine's affair
        return f"[{address}]{port}" if re.fullmatch(r"[0-9a-f:.]+", address) else ""
    known = name.encode("idna").decode() if name else ""
    return known + port if re.fullmatch(r"[A-Za-z0-9._~-]+", known) else ""
