"""Files that are no scenario at all, and files that somebody damaged: refused at once, never a crash."""

from __future__ import annotations

import json
import re
from pathlib import Path
from time import perf_counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scenario_text import PROSE, WHOLE, only, problems

from lab.catalog import kinds, scenario_folder
from lab.errors import Exit, LabError
from lab.scenario import LONGEST_BYTES, ScenarioInvalid, parse


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", b"", b"\xef\xbb\xbf", "---\n...\n"])
def test_an_empty_file(text: str | bytes) -> None:
    assert "the file is empty" in only(text).message


@pytest.mark.parametrize("text", ["words", "- a\n- b\n", "5"])
def test_a_file_without_keys(text: str) -> None:
    assert "expected keys and values: a scenario begins with a line such as" in only(text).message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"title: a\nguide: \xff\xfe", "byte 0xff is not UTF-8"),
        (b"\x7fELF\x02\x01\x01\x00\x00", "control character (code 127)"),
        (b"title: a\nguide: b\x00c\n", "control character (code 0)"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "byte 0x89 is not UTF-8"),
        (bytes(range(256)) * 40, "is not UTF-8"),
    ],
)
def test_a_binary_file(content: bytes, message: str) -> None:
    assert message in only(content).message


def test_the_place_of_a_bad_byte() -> None:
    found = only(b"title: a\nguide: \xff")
    assert (found.line, found.col) == (2, 8)


def test_a_file_of_10_mb_is_refused_at_once() -> None:
    began = perf_counter()
    assert f"longer than {LONGEST_BYTES:,} bytes" in only(b"a: b\n" * 2_000_000).message
    assert perf_counter() - began < 0.5


def test_a_file_of_many_values_is_refused() -> None:
    assert "more than 20,000 values" in only("a:\n" + "- 1\n" * 200_000).message


def test_a_bomb_of_aliases_is_refused() -> None:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    found = problems(WHOLE + "a0: &a0 [boom, boom]\n" + "\n".join(levels))
    assert any("no anchors: remove &a0" in p.message for p in found)
    assert any("no aliases: write the value out instead of *a0" in p.message for p in found)


def test_depth_is_limited() -> None:
    assert "nested more than 20 levels deep" in only(PROSE + "load: " + "[" * 30_000).message


def test_a_flood_of_mistakes_is_shortened_in_text_only() -> None:
    with pytest.raises(ScenarioInvalid) as caught:
        parse(WHOLE + "".join(f"key{n}: 1\n" for n in range(500)), kinds(), "bad.yaml")
    assert len(caught.value.problems) == 500
    assert "and 450 more" in str(caught.value)


def test_it_is_an_error_of_use() -> None:
    with pytest.raises(LabError) as caught:
        parse("", kinds(), "bad.yaml")
    assert caught.value.exit is Exit.USAGE
    assert caught.value.where == "bad.yaml:1:1"


SHIPPED = [path.read_text(encoding="utf-8") for path in sorted(Path(scenario_folder()).glob("*.yaml"))]


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_parsed_or_refused_but_never_crashes(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([WHOLE, *SHIPPED]))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    damaged = text[:start] + data.draw(st.text(max_size=12)) + text[end:]
    _parsed_or_refused(damaged)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
PARTS = ["load", "faults", "symptoms", "fixes", "evidence", "closing", "stack", "healthy", "title"]


@given(ANYTHING, st.sampled_from(PARTS))
@example([[]], "faults")
@settings(max_examples=200, deadline=None)
def test_any_value_for_any_part_is_parsed_or_refused(value: object, part: str) -> None:
    kept = [line for line in WHOLE.splitlines() if not line.startswith(f"{part}:")]
    _parsed_or_refused("\n".join([*kept, f"{part}: {json.dumps(value)}"]))


@given(st.binary(max_size=200))
@example(b"\xef\xbb\xbftitle: a")
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_parsed_or_refused(content: bytes) -> None:
    _parsed_or_refused(content)


def _parsed_or_refused(content: str | bytes) -> None:
    try:
        parse(content, kinds(), "fuzzed.yaml")
    except ScenarioInvalid as refused:
        text = content if isinstance(content, str) else content.decode("utf-8", errors="replace")
        lines = len(re.split(r"\r\n|[\n\r\x85\u2028\u2029]", text))
        assert all(1 <= p.line <= lines + 1 and p.col >= 1 and p.message for p in refused.problems)
