"""Things with versions, told by three instances in turn: the truth behind what a load driver observes."""

from __future__ import annotations

import json
from collections import Counter
from itertools import cycle
from typing import NamedTuple

STOCK = ("/stock", "/pieces", "/old", "/bare")


class Told(NamedTuple):
    method: str
    key: int
    version: int
    backend: str


class Stock:
    """``POST /stock/N`` makes a new version of thing N; ``GET`` shows it. ``/pieces/N`` shows it in chunks behind
    an interim answer, ``/old/N`` shows the first version for ever, ``/bare/N`` says nothing."""

    def __init__(self) -> None:
        self.versions: Counter[int] = Counter()
        self.told: list[Told] = []
        self._instances = cycle(("app-a", "app-b", "app-c"))

    def answer(self, method: str, target: str, _: bytes) -> bytes:
        _, kind, number = target.split("/")
        key = int(number)
        if kind == "bare":
            self.told.append(Told(method, -1, -1, ""))
            return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
        self.versions[key] += method == "POST"
        told = Told(method, key, 0 if kind == "old" else self.versions[key], next(self._instances))
        self.told.append(told)
        body = json.dumps({"id": key, "version": told.version, "parent": {"version": 10**6}}).encode()
        served = f"X-Served-By: {told.backend}".encode()
        if kind == "pieces":
            head = b"HTTP/1.1 103 Early Hints\r\nX-Served-By: nobody\r\n\r\nHTTP/1.1 200 OK\r\n" + served
            return head + b"\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        return b"HTTP/1.1 200 OK\r\n%b\r\nContent-Length: %d\r\n\r\n%b" % (served, len(body), body)
