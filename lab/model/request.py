"""One kind of request as a scenario writes it: where it goes, what varies, what a good answer is, what it tells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

METHODS = ("get", "post", "put", "patch", "delete")
PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_-]*)\}")
"""``{name}`` in a text of a request. Braces around anything else are text."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Values:
    """What a placeholder stands for: whole numbers by exactly one law, both ends included.

    ``uniform`` draws each alike. ``zipf`` draws the first most often, the k-th in proportion to
    1 / k ** ``exponent``. ``sequence`` counts through them, and starts again at the end.
    """

    uniform: tuple[int, int] | None = None
    zipf: tuple[int, int] | None = None
    exponent: float = 1.0
    sequence: tuple[int, int] | None = None


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Expect:
    """What makes an answer a good one: one of these statuses (none named: any below 400), and this text in
    its body."""

    status: tuple[int, ...] = ()
    contains: str = ""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Observe:
    """What is read from each answer, beside whether it is a good one.

    ``version`` names a field of the JSON answer: the whole number behind its first occurrence is the version of
    the thing that was asked for. ``key`` is the placeholder of this request that says which thing; without one,
    all requests are about the same. A good answer of a request that ``writes`` acknowledges its version; any other
    is a read, which is stale when a newer version was acknowledged before it was sent. ``backend`` names the
    header of the answer that says which instance gave it.
    """

    version: str = ""
    key: str = ""
    writes: bool = False
    backend: str = ""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Request:
    """One kind of request; exactly one of the methods holds its path.

    Path, ``query``, ``headers`` and ``body`` may hold ``{placeholders}`` that ``values`` fills, seeded. A text
    in the body that is nothing but a placeholder becomes a number in the JSON that is sent.
    """

    name: str
    get: str | None = None
    post: str | None = None
    put: str | None = None
    patch: str | None = None
    delete: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    values: Mapping[str, Values] = field(default_factory=dict)
    expect: Expect = field(default_factory=Expect)
    observe: Observe = field(default_factory=Observe)
    weight: float = 1.0

    @property
    def method(self) -> str:
        """In capitals; GET where none is named."""
        return next((m.upper() for m in METHODS if getattr(self, m) is not None), "GET")

    @property
    def path(self) -> str:
        return next((path for m in METHODS if (path := getattr(self, m)) is not None), "")
