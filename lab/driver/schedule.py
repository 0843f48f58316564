"""Which request is due when: pure, and the same on every machine for the same seed.

Only ``random.Random.random`` is used, whose sequence Python guarantees across versions; the laws on top of
it are written out here because those of the ``random`` module may change.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from lab.model.scenario import Request

Law = Literal["poisson", "constant"]

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_NS = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Target:
    """One request of the list, filled in. ``name`` is the index of its kind; ``body`` is JSON or empty."""

    name: int
    method: str
    path: str
    body: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The request list of a block: nanoseconds after the block's start, and what to send then."""

    offsets_ns: tuple[int, ...]
    targets: tuple[Target, ...]
    sha256: str


def schedule(*, seed: int, rate: float, length_s: float, law: Law, requests: Sequence[Request]) -> Schedule:
    """The list for one block. Moments and contents have child seeds of their own.

    Raises ValueError where there is nothing to send: no request, no positive weight, no positive rate.
    """
    offsets = arrivals(seed, rate, length_s, law)
    targets = pick(seed, requests, len(offsets))
    return Schedule(offsets_ns=offsets, targets=targets, sha256=_digest(offsets, targets))


def arrivals(seed: int, rate: float, length_s: float, law: Law) -> tuple[int, ...]:
    """Sorted offsets in nanoseconds in [0, length). ``rate`` is per second; constant arrivals start at 0."""
    if not (rate > 0 and math.isfinite(rate) and length_s > 0 and math.isfinite(length_s)):
        raise ValueError(f"cannot plan arrivals at {rate}/s for {length_s} s: both must be above zero")
    end = round(length_s * _NS)
    if law == "constant":
        return tuple(at for k in range(math.ceil(rate * length_s) + 1) if (at := int(k * _NS / rate)) < end)
    uniform = _child(seed, "arrivals").random
    offsets: list[int] = []
    at = 0
    while True:
        at += round(-math.log(1.0 - uniform()) * _NS / rate)
        if at >= end:
            return tuple(offsets)
        offsets.append(at)


def pick(seed: int, requests: Sequence[Request], count: int) -> tuple[Target, ...]:
    """``count`` requests drawn by weight, their placeholders drawn by ``values``."""
    bounds = list(accumulate(request.weight for request in requests))
    if not bounds or bounds[-1] <= 0 or any(request.weight < 0 for request in requests):
        raise ValueError("the load needs a request of positive weight, and none of negative weight")
    draw = _child(seed, "requests")
    bodies = [_body(request) for request in requests]
    targets = []
    for _ in range(count):
        name = min(bisect_right(bounds, draw.random() * bounds[-1]), len(bounds) - 1)
        path = _fill(requests[name], draw)
        targets.append(Target(name=name, method=requests[name].method, path=path, body=bodies[name]))
    return tuple(targets)


def _fill(request: Request, draw: random.Random) -> str:
    values: dict[str, int] = {}
    for placeholder in sorted(request.values):
        low, high = request.values[placeholder].uniform or (0, 0)
        values[placeholder] = low + int(draw.random() * (high - low + 1))
    return _PLACEHOLDER.sub(lambda found: str(values.get(found[1], found[0])), request.path)


def _body(request: Request) -> bytes:
    return b"" if request.body is None else json.dumps(request.body, separators=(",", ":")).encode()


def _child(seed: int, purpose: str) -> random.Random:
    return random.Random(int.from_bytes(hashlib.sha256(f"{seed}:{purpose}".encode()).digest(), "big"))


def _digest(offsets: Sequence[int], targets: Sequence[Target]) -> str:
    lines = (
        f"{at} {target.method} {target.path} ".encode() + target.body + b"\n"
        for at, target in zip(offsets, targets, strict=True)
    )
    return hashlib.sha256(b"".join(lines)).hexdigest()
