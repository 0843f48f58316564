"""What the body of a request asks for. Missing keys and null mean the default; unknown keys mean nothing: so it
is in Toxiproxy, whose clients send more than is read."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from math import isfinite
from typing import Any, TypeVar

from lab.link.refused import bad_body, missing, no_such_stream, no_such_type
from lab.link.toxic import STREAMS, Stream, Toxic, types

T = TypeVar("T")
Body = dict[str, Any]
_KINDS = {str: "string", bool: "bool", int: "int64", float: "float32", dict: "object", list: "array"}
_LARGEST = (1 << 63) - 1


@dataclass(frozen=True, kw_only=True)
class ProxyAsked:
    """``listen`` and ``upstream`` are HOST:PORT; a ``listen`` without a host is on loopback."""

    name: str
    listen: str
    upstream: str
    enabled: bool


def read(text: bytes) -> Any:
    """JSON of any kind. Refused where it is none."""
    if not text.strip():
        raise bad_body("EOF")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as wrong:
        raise bad_body(wrong) from None


def body(text: bytes) -> Body:
    """A JSON object."""
    return _object(read(text), "the body")


def proxy(given: Body, before: ProxyAsked | None = None) -> ProxyAsked:
    """A proxy that does not exist yet, or what shall become of ``before``."""
    default = before or ProxyAsked(name="", listen="", upstream="", enabled=True)
    return ProxyAsked(
        name=before.name if before else _field(given, "name", str, default.name),
        listen=_field(given, "listen", str, default.listen),
        upstream=_field(given, "upstream", str, default.upstream),
        enabled=_field(given, "enabled", bool, default.enabled),
    )


def new_proxy(given: Body, place: str = "") -> ProxyAsked:
    """One that has everything that a new proxy needs; ``place`` tells which of several in an error."""
    asked = proxy(given)
    for field, value in (("name", asked.name), ("upstream", asked.upstream)):
        if not value:
            raise missing(field + place)
    return asked


def proxies(text: bytes) -> list[ProxyAsked]:
    """A list of proxies, each complete. Refused as a whole where one is not."""
    several = read(text)
    if not isinstance(several, list):
        raise bad_body(f"cannot read {_kind(several)} as a list of proxies")
    found = [
        new_proxy(_object(given, f"proxy {n}"), f" at proxy {n}") for n, given in enumerate(several, start=1)
    ]
    names = [asked.name for asked in found]
    for name in names:
        if names.count(name) > 1:
            raise bad_body(f"duplicate proxy name {name!r}")
    return found


def toxic(given: Body) -> Toxic:
    """A new toxic, by default downstream, on all connections, named for its type and stream."""
    kind = _field(given, "type", str, "")
    stream = _stream(_field(given, "stream", str, STREAMS[1]))
    if kind not in types():
        raise no_such_type()
    return Toxic(
        name=_field(given, "name", str, "") or f"{kind}_{stream}",
        type=kind,
        stream=stream,
        toxicity=_toxicity(given, 1.0),
        attributes=_attributes(given, types()[kind].attributes()),
    )


def changed(given: Body, before: Toxic) -> tuple[float, Any]:
    """Toxicity and attributes that a toxic shall have; everything else of it stays."""
    return _toxicity(given, before.toxicity), _attributes(given, before.attributes)


def toxics(given: Body) -> list[Toxic]:
    """The toxics of a proxy that is made together with them."""
    return [toxic(_object(one, "a toxic")) for one in _field(given, "toxics", list, [])]


def fail_first(given: Body) -> int:
    """``{"connections": N}``: so many new connections shall fail."""
    return _amount(given, "connections", 0)


def of_proxy_fail_first(given: Body) -> int:
    return fail_first(_field(given, "fail_first", dict, {}))


def _toxicity(given: Body, default: float) -> float:
    found = _field(given, "toxicity", float, default)
    if not isfinite(found):
        raise bad_body("toxicity must be a number from 0 to 1")
    return found


def _attributes(given: Body, before: T) -> T:
    values = _field(given, "attributes", dict, {})
    names = (field.name for field in fields(before))  # type: ignore[arg-type]
    new = {name: _amount(values, name, getattr(before, name)) for name in names}
    return replace(before, **new)  # type: ignore[type-var]


def _amount(given: Body, key: str, default: int) -> int:
    found = _field(given, key, int, default)
    if not 0 <= found <= _LARGEST:
        raise bad_body(f"{key} must not be negative, nor above {_LARGEST}")
    return found


def _stream(given: str) -> Stream:
    for stream in STREAMS:
        if given.lower() == stream:
            return stream
    raise no_such_stream()


def _field(given: Body, key: str, kind: type[T], default: T) -> T:
    value = given.get(key)
    if value is None:
        return default
    if kind is float and type(value) is int:
        value = float(value) if abs(value) <= _LARGEST else float("inf")
    if isinstance(value, str):
        value = value.encode(errors="replace").decode()  # half a surrogate pair is no text
    if type(value) is not kind:
        raise bad_body(f"cannot read {_kind(value)} as {key} of type {_KINDS[kind]}")
    return value


def _object(value: Any, what: str) -> Body:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_body(f"cannot read {_kind(value)} as {what}, which is an object")
    return value


def _kind(value: object) -> str:
    return "number" if type(value) in (int, float) else _KINDS.get(type(value), "null")
