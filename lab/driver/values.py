"""Which request is made, and what its placeholders stand for: templates and laws, seeded. Pure.

Only ``random.Random.random`` is used, whose sequence Python guarantees across versions; the laws on top of it
are written out here because those of the ``random`` module may change.
"""

from __future__ import annotations

import hashlib
import json
import random
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple

from lab.driver.mix import mix
from lab.driver.urls import encoded_path, encoded_query, encoded_value
from lab.model.headers import is_json
from lab.model.load import NONE_SEEN, Hot
from lab.model.scenario import PLACEHOLDER, Request, Values

_LAWS = ("uniform", "zipf", "sequence")

Headers = tuple[tuple[str, str], ...]
Draw = Callable[[], float]  # the next number in [0, 1)
Numbers = Callable[[], int]


class Target(NamedTuple):
    """One request of the list, filled in. ``name`` is the index of its kind; ``path`` has its query with it, both
    percent-encoded; ``body`` is what is sent, empty for none; ``key`` which thing it is about, where that is
    observed."""

    name: int
    method: str
    path: str
    headers: Headers = ()
    body: bytes = b""
    key: int = NONE_SEEN


def pick(seed: int, requests: Sequence[Request], count: int, hot: Sequence[Hot] = ()) -> tuple[Target, ...]:
    """``count`` requests, each kind as often as its weight says, their placeholders drawn by ``values``.

    One draw for each ``uniform`` and ``zipf`` placeholder of a request, in the order of their names. ``sequence``
    draws nothing: it counts how often its request was picked. The order of the kinds and what is ``hot`` have
    draws of their own. ValueError without a request of positive weight, and for placeholders without values.
    """
    kinds = mix([request.weight for request in requests], count, child(seed, "mix").random)
    draw = child(seed, "requests").random
    fills = [_fill(n, request, _laws(seed, request, draw, hot)) for n, request in enumerate(requests)]
    return tuple([fills[kind]() for kind in kinds])


def child(seed: int, purpose: str) -> random.Random:
    """A generator of its own for each purpose, so that one cannot shift what another draws."""
    return random.Random(int.from_bytes(hashlib.sha256(f"{seed}:{purpose}".encode()).digest(), "big"))


def law(values: Values, draw: Draw) -> Numbers:
    """What gives the next value. ValueError unless ``values`` has exactly one law with its lower end first."""
    named = [name for name in _LAWS if getattr(values, name) is not None]
    if len(named) != 1:
        here = " and ".join(named) or "none"
        raise ValueError(f"values need exactly one of {', '.join(_LAWS)}: here {here}")
    low, high = getattr(values, named[0])
    if low > high:
        raise ValueError(f"no number lies in [{low}, {high}]: the lower end comes first")
    if named[0] == "uniform":
        return _uniform(low, high, draw)
    return _zipf(low, high, values.exponent, draw) if named[0] == "zipf" else _sequence(low, high)


def _uniform(low: int, high: int, draw: Draw) -> Numbers:
    size = high - low + 1
    return lambda: min(high, low + int(draw() * size))  # a size beyond 2**53 may round up


def _zipf(low: int, high: int, exponent: float, draw: Draw) -> Numbers:
    bounds = _zipf_bounds(high - low + 1, exponent)
    total = bounds[-1]
    return lambda: min(high, low + bisect_right(bounds, draw() * total))


def _sequence(low: int, high: int) -> Numbers:
    numbers = _cycle(low, high)
    return lambda: next(numbers)


def _cycle(low: int, high: int) -> Iterator[int]:
    while True:
        yield from range(low, high + 1)


@lru_cache(maxsize=8)
def _zipf_bounds(size: int, exponent: float) -> array[float]:
    """The sums of 1 / k ** exponent for k up to 1, 2, ..., ``size``."""
    if not 0 < exponent <= 10:
        raise ValueError(f"the exponent of zipf is above 0 and at most 10, not {exponent:g}")
    return array("d", accumulate(1.0 / k**exponent for k in range(1, size + 1)))


@dataclass(frozen=True)
class _Template:
    """A text with slots: ``form`` takes a mapping of numbers by ``%``."""

    form: str
    slots: bool

    def fill(self, numbers: Mapping[str, int]) -> str:
        return self.form % numbers


def _laws(seed: int, request: Request, draw: Draw, hot: Sequence[Hot]) -> list[tuple[str, Numbers]]:
    laws = {key: law(request.values[key], draw) for key in sorted(request.values)}
    for one in hot:
        if one.request == request.name and one.placeholder in laws:
            own = child(seed, f"hot {one.request} {one.placeholder}").random
            laws[one.placeholder] = _heated(laws[one.placeholder], one, own)
    return list(laws.items())


def _heated(numbers: Numbers, hot: Hot, draw: Draw) -> Numbers:
    def following() -> int:
        number = numbers()
        return hot.value if draw() < hot.share else number

    return following


def _fill(name: int, request: Request, laws: Sequence[tuple[str, Numbers]]) -> Callable[[], Target]:
    """What makes the next request of one kind."""
    path = _template(_path_pieces(request))
    headers = [(key, _template(_pieces(text))) for key, text in request.headers.items()]
    body = _template(_body_pieces(request))
    _refuse_unknown(request, [path, body, *(text for _, text in headers), *_key_of(request)])
    method, form, keyed = request.method, path.form, request.observe.key
    headers_of, body_of = _headers(headers), _body(body)

    def target() -> Target:
        numbers = {key: following() for key, following in laws}
        key = numbers[keyed] if keyed else NONE_SEEN
        return Target(name, method, form % numbers, headers_of(numbers), body_of(numbers), key)

    always = target() if not laws else None
    return target if always is None else lambda: always


def _headers(headers: Sequence[tuple[str, _Template]]) -> Callable[[Mapping[str, int]], Headers]:
    if any(text.slots for _, text in headers):
        return lambda numbers: tuple([(key, text.form % numbers) for key, text in headers])
    always = tuple((key, text.fill({})) for key, text in headers)
    return lambda _: always


def _body(body: _Template) -> Callable[[Mapping[str, int]], bytes]:
    if body.slots:
        return lambda numbers: (body.form % numbers).encode()
    always = body.fill({}).encode()
    return lambda _: always


def _key_of(request: Request) -> list[_Template]:
    return [_template(iter([_Slot(request.observe.key)]))] if request.observe.key else []


def _refuse_unknown(request: Request, texts: Sequence[_Template]) -> None:
    try:
        for text in texts:
            text.fill(dict.fromkeys(request.values, 0))
    except KeyError as unknown:
        where = f"request {request.name!r}"
        raise ValueError(f"the placeholder {{{unknown.args[0]}}} of {where} has no values") from None


class _Slot(NamedTuple):
    """The place of a number in a text."""

    name: str


_Piece = str | _Slot


def _template(pieces: Iterator[_Piece]) -> _Template:
    found = list(pieces)
    form = [f"%({one.name})d" if isinstance(one, _Slot) else one.replace("%", "%%") for one in found]
    return _Template("".join(form), any(isinstance(one, _Slot) for one in found))


def _pieces(text: str, write: Callable[[str], str] = str) -> Iterator[_Piece]:
    """The text between placeholders, as ``write`` puts it, and the placeholders."""
    for n, piece in enumerate(PLACEHOLDER.split(text)):
        yield _Slot(piece) if n % 2 else write(piece)


def _path_pieces(request: Request) -> Iterator[_Piece]:
    path, mark, query = request.path.partition("?")
    yield from _pieces(path, encoded_path)
    if mark:
        yield mark
        yield from _pieces(query, encoded_query)
    for key, text in request.query.items():
        yield "&" if mark else "?"
        mark = "?"
        yield f"{encoded_value(key)}="
        yield from _pieces(text, encoded_value)


def _body_pieces(request: Request) -> Iterator[_Piece]:
    if request.body is None:
        return iter(())
    kind = next((text for key, text in request.headers.items() if key.lower() == "content-type"), None)
    if isinstance(request.body, str) and kind is not None and not is_json(kind):
        return _pieces(request.body)
    return _json_pieces(request.body)


def _json_pieces(value: Any) -> Iterator[_Piece]:
    match value:
        case str() if whole := PLACEHOLDER.fullmatch(value):
            yield _Slot(whole[1])
        case str():
            yield '"'
            yield from _pieces(value, lambda text: json.dumps(text)[1:-1])
            yield '"'
        case Mapping():
            for n, (key, inner) in enumerate(value.items()):
                yield f"{',' if n else '{'}{json.dumps(key)}:"
                yield from _json_pieces(inner)
            yield "}" if value else "{}"
        case list() | tuple():
            for n, inner in enumerate(value):
                yield "," if n else "["
                yield from _json_pieces(inner)
            yield "]" if value else "[]"
        case _:
            yield json.dumps(value)
