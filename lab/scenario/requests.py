"""What a request may say: one method, legal headers, and values for each of its placeholders. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lab.model.headers import CONTROL, OURS, TOKEN, is_json
from lab.model.scenario import METHODS, PLACEHOLDER, Request, Values
from lab.scenario.problems import unknown
from lab.scenario.reading import Placed, Reading
from lab.scenario.tree import Path

BODILESS = frozenset({"get", "delete"})
LAWS = ("uniform", "zipf", "sequence")
WIDEST_ZIPF = 1_000_000  # the driver keeps a table of so many shares
STEEPEST_ZIPF = 10
LARGEST_KEY = 2**63  # the samples keep a key as a 64-bit number
_NAME = re.compile(PLACEHOLDER.pattern[2:-2])


def check_request(reading: Reading, placed: Placed[Request]) -> None:
    """Note everything that is wrong with one request, each at its place."""
    at, request = placed.at, placed.value
    named = [method for method in METHODS if getattr(request, method) is not None]
    if len(named) != 1:
        known, here = ", ".join(METHODS), " and ".join(named) or "none, for example get: /products/top"
        reading.problem(at, f"a request has exactly one of {known}: here {here}")
        return
    _path(reading, (*at, named[0]), request.path)
    if request.body is not None and named[0] in BODILESS:
        reading.problem((*at, "body"), f"a {named[0].upper()} has no body", key=True)
    if request.weight <= 0:
        reading.problem((*at, "weight"), "a weight is above 0: leave the request out instead")
    _headers(reading, (*at, "headers"), request)
    for n, status in enumerate(request.expect.status):
        if not 100 <= status <= 599:
            reading.problem(
                (*at, "expect", "status", n), f"a status is a number from 100 to 599, not {status}"
            )
    _placeholders(reading, at, named[0], request)
    if reading.has((*at, "observe")):
        _observe(reading, (*at, "observe"), request)
    for name, values in request.values.items():
        _law(reading, (*at, "values", name), values)


def _observe(reading: Reading, at: Path, request: Request) -> None:
    observe = request.observe
    if not (observe.version or observe.backend):
        reading.problem(
            at, "missing key 'version' or 'backend': else nothing is read from an answer", key=True
        )
    if observe.version and not _NAME.fullmatch(observe.version):
        message = f"{observe.version!r} is no name of a field: a letter, then letters, digits, _ and -"
        reading.problem((*at, "version"), message)
    for key in ("key", "writes"):
        if reading.has((*at, key)) and not observe.version:
            reading.problem((*at, key), f"{key} belongs to a version: name its field, or leave out", key=True)
    if observe.key and observe.key not in request.values:
        reading.problem((*at, "key"), unknown("placeholder", observe.key, request.values))
    elif observe.key and not _fits(request.values[observe.key]):
        reading.problem((*at, "key"), f"the numbers of {{{observe.key}}} are too large for a key")
    if observe.backend and not TOKEN.fullmatch(observe.backend):
        message = f"{observe.backend!r} is not the name of a header: letters, digits and dashes"
        reading.problem((*at, "backend"), message)


def _fits(values: Values) -> bool:
    ends = [end for law in LAWS for end in getattr(values, law) or ()]
    return all(abs(end) < LARGEST_KEY for end in ends)


def _path(reading: Reading, at: Path, path: str) -> None:
    if not path.startswith("/"):
        reading.problem(at, f"a path begins with a slash: /{path}")
    elif re.search(r"[{}]", PLACEHOLDER.sub("", path)):
        reading.problem(at, "braces in a path are for placeholders such as {id}: letters, digits, _ and -")


def _headers(reading: Reading, at: Path, request: Request) -> None:
    seen: dict[str, str] = {}
    for name, text in request.headers.items():
        if not TOKEN.fullmatch(name):
            message = f"{name!r} is not the name of a header: letters, digits and dashes, for example X-Shop"
            reading.problem((*at, name), message, key=True)
        elif name.lower() in OURS:
            reading.problem((*at, name), f"the lab itself sets {name}: leave it out", key=True)
        elif name.lower() in seen:
            message = f"a second header {name!r}: capitals make no difference to {seen[name.lower()]!r}"
            reading.problem((*at, name), message, key=True)
        seen.setdefault(name.lower(), name)
        if CONTROL.search(text) or text != text.strip():
            reading.problem((*at, name), "a header is one line of text without spaces around it")
        if name.lower() == "content-type" and not isinstance(request.body, str | None) and not is_json(text):
            message = f"keys and values are sent as JSON: write the body as one text where it is {text}"
            reading.problem((*at, name), message)


def _placeholders(reading: Reading, at: Path, method: str, request: Request) -> None:
    used: dict[str, Path] = {}
    for where, text in _texts(method, request):
        for name in PLACEHOLDER.findall(text):
            used.setdefault(name, (*at, *where))
    for name, where in used.items():
        if name not in request.values:
            written = f"values: {{{name}: {{uniform: [1, 5000]}}}}"
            reading.problem(where, f"the placeholder {{{name}}} has no values: add {written}")
    for name in request.values:
        if not _NAME.fullmatch(name):
            message = f"{name!r} is no name of a placeholder: a letter, then letters, digits, _ and -"
            reading.problem((*at, "values", name), message, key=True)
        elif name not in used:
            message = f"values for {name!r}, but nothing in the request has {{{name}}}"
            reading.problem((*at, "values", name), message, key=True)
    for where in _named_by_placeholders(request):
        reading.problem((*at, *where), "a placeholder stands in a value, not in a key", key=True)


def _texts(method: str, request: Request) -> Iterator[tuple[Path, str]]:
    """Every text in which a placeholder may stand, with its place in the request."""
    yield (method,), request.path
    for part in ("query", "headers"):
        for key, text in getattr(request, part).items():
            yield (part, key), text
    yield from ((where, text) for where, text in _leaves(("body",), request.body) if isinstance(text, str))


def _leaves(at: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves((*at, key), inner)
    elif isinstance(value, list | tuple):
        for n, inner in enumerate(value):
            yield from _leaves((*at, n), inner)
    else:
        yield at, value


def _named_by_placeholders(request: Request) -> list[Path]:
    """Places of keys that look like placeholders, in the query and anywhere in the body, each once."""
    places: list[Path] = [("query", key) for key in request.query]
    places += [where[:n] for where, _ in _leaves(("body",), request.body) for n in range(2, len(where) + 1)]
    return [where for where in dict.fromkeys(places) if PLACEHOLDER.search(str(where[-1]))]


def _law(reading: Reading, at: Path, values: Values) -> None:
    named = [law for law in LAWS if getattr(values, law) is not None]
    if len(named) != 1:
        here = " and ".join(named) or "none, for example uniform: [1, 5000]"
        reading.problem(at, f"values have exactly one of {', '.join(LAWS)}: here {here}")
        return
    low, high = getattr(values, named[0])
    if low > high:
        reading.problem((*at, named[0]), f"the lower end comes first: [{high}, {low}]")
    if named[0] == "zipf" and high - low >= WIDEST_ZIPF:
        reading.problem((*at, "zipf"), f"at most {WIDEST_ZIPF:,} numbers by this law")
    if named[0] != "zipf" and reading.has((*at, "exponent")):
        reading.problem((*at, "exponent"), "only zipf has an exponent: leave out", key=True)
    elif not 0 < values.exponent <= STEEPEST_ZIPF:
        message = f"an exponent is above 0, at most {STEEPEST_ZIPF}: the larger, the more often the first"
        reading.problem((*at, "exponent"), message)
