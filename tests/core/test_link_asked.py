"""What the link reads from a request body, and its addresses: any JSON is answered or refused, never a fault."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lab.link.toxics
from lab.link import asked
from lab.link.address import Address
from lab.link.refused import Refused
from lab.link.stage import Stage
from lab.link.toxic import types
from lab.link.toxics.slicer import Attributes, slices

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["name", "type", "stream", "toxicity", "attributes", "listen", "upstream", "enabled"])
BODIES = st.dictionaries(KEYS, ANYTHING | st.sampled_from(["latency", "upstream"]), max_size=6)
TOXICS = {
    "bandwidth": {"rate"},
    "latency": {"latency", "jitter"},
    "limit_data": {"bytes"},
    "reset_peer": {"timeout"},
    "slicer": {"average_size", "size_variation", "delay"},
    "slow_close": {"delay"},
    "timeout": {"timeout"},
}


def refusal(call: Any, *arguments: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        call(*arguments)
    return refused.value


def test_the_folder_has_toxiproxys_toxics_with_its_attributes_and_defaults() -> None:
    found = {name: {field.name for field in fields(kind.attributes)} for name, kind in types().items()}
    assert found == TOXICS
    for kind in types().values():
        attributes = kind.attributes()
        assert all(getattr(attributes, field.name) == 0 for field in fields(attributes))


def test_every_toxic_is_documented_and_named_nowhere_but_in_its_file() -> None:
    folder = Path(lab.link.toxics.__path__[0])
    engine = "".join(file.read_text() for file in folder.parent.glob("*.py") if file.name != "client.py")
    for name, kind in types().items():
        assert issubclass(kind.stage, Stage)
        assert kind.stage.__doc__ and kind.attributes.__doc__
        assert f'"{name}"' not in engine


@given(BODIES)
def test_any_toxic_is_read_or_refused(body: dict[str, Any]) -> None:
    try:
        toxic = asked.toxic(body)
    except Refused as refused:
        assert refused.status == 400 and refused.message
    else:
        assert toxic.type in TOXICS
        assert json.loads(json.dumps(toxic.shown())) == toxic.shown()


@given(BODIES)
def test_any_proxy_is_read_or_refused(body: dict[str, Any]) -> None:
    try:
        proxy = asked.new_proxy(body)
    except Refused as refused:
        assert refused.status == 400
    else:
        assert proxy.name and proxy.upstream


@given(st.binary(max_size=40) | ANYTHING.map(lambda value: json.dumps(value).encode()))
def test_any_text_is_read_or_refused(text: bytes) -> None:
    for read in (asked.body, asked.proxies):
        try:
            read(text)
        except Refused as refused:
            assert refused.status == 400
            assert refused.message.startswith(("bad request body: ", "missing required field: "))


def test_a_body_that_is_nested_too_deep_is_refused() -> None:
    assert refusal(asked.read, b"[" * 100_000).status == 400


def test_defaults_of_a_toxic() -> None:
    shown = asked.toxic({"type": "latency", "attributes": {"latency": 5, "unknown": True}}).shown()
    assert shown == {
        "name": "latency_downstream",
        "type": "latency",
        "stream": "downstream",
        "toxicity": 1,
        "attributes": {"latency": 5, "jitter": 0},
    }


def test_half_a_surrogate_pair_becomes_text() -> None:
    assert asked.proxy(asked.body(b'{"name": "a\\ud800"}')).name == "a?"


def test_a_change_keeps_what_it_does_not_name() -> None:
    toxic = asked.toxic({"type": "latency", "toxicity": 0.5, "attributes": {"latency": 5, "jitter": 2}})
    toxicity, attributes = asked.changed({"attributes": {"jitter": 1}}, toxic)
    assert (toxicity, attributes.latency, attributes.jitter) == (0.5, 5, 1)
    assert asked.changed({"toxicity": 1}, toxic) == (1.0, toxic.attributes)


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({"latency": -1}, "latency must not be negative"),
        ({"latency": 1.5}, "cannot read number as latency of type int64"),
        ({"latency": True}, "cannot read bool as latency"),
        ({"latency": "5"}, "cannot read string as latency"),
        ({"latency": 1 << 63}, "nor above"),
        ([], "cannot read array as attributes"),
    ],
)
def test_attributes_that_are_no_whole_numbers_are_refused(attributes: object, why: str) -> None:
    assert why in refusal(asked.toxic, {"type": "latency", "attributes": attributes}).message


def test_a_name_that_comes_twice_is_refused_before_anything_is_made() -> None:
    twice = json.dumps([{"name": "a", "upstream": "b:1"}] * 2).encode()
    assert "duplicate proxy name 'a'" in refusal(asked.proxies, twice).message


@pytest.mark.parametrize(
    ("text", "host", "port", "shown"),
    [
        ("10.0.0.1:6379", "10.0.0.1", 6379, "10.0.0.1:6379"),
        ("localhost:80", "localhost", 80, "localhost:80"),
        ("[::1]:80", "::1", 80, "[::1]:80"),
        (":80", "127.0.0.1", 80, "127.0.0.1:80"),
        ("", "127.0.0.1", 0, "127.0.0.1:0"),
    ],
)
def test_addresses(text: str, host: str, port: int, shown: str) -> None:
    address = Address.parse(text)
    assert (address.host, address.port, str(address)) == (host, port, shown)


@pytest.mark.parametrize("text", ["6379", "a:b", "a:65536", "::1:80", "a:-1", "a:²"])
def test_what_is_no_address_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Address.parse(text)


@given(
    st.binary(min_size=1, max_size=3000),
    st.integers(0, 400),
    st.integers(0, 500),
    st.integers(),
)
def test_slices_are_all_of_it_in_order_and_of_the_sizes_asked_for(
    piece: bytes, size: int, variation: int, seed: int
) -> None:
    parts = list(slices(piece, Attributes(average_size=size, size_variation=variation), Random(seed)))
    assert b"".join(parts) == piece
    assert all(parts)
    if size:
        assert all(max(1, size - variation) <= len(part) <= size + variation for part in parts[:-1])
    else:
        assert len(parts) == 1
