"""What placeholders stand for: each law in its range and by its frequencies, each template filled right."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.driver.values import child, law, pick
from lab.model.scenario import PLACEHOLDER, Request, Values

seeds = st.integers(0, 2**64 - 1)
ends = st.tuples(st.integers(-(10**6), 10**6), st.integers(0, 3000)).map(lambda one: (one[0], sum(one)))
texts = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: not PLACEHOLDER.search(text))


def request(path: str = "/", method: str = "post", **parts: Any) -> Request:
    return Request(name="r", **{method: path}, **parts)


def drawn(values: Values, count: int, seed: int = 1) -> list[int]:
    following = law(values, child(seed, "requests").random)
    return [following() for _ in range(count)]


@settings(deadline=None)
@given(seeds, ends, st.floats(0.1, 4))
def test_every_law_stays_in_its_range(seed: int, ends: tuple[int, int], exponent: float) -> None:
    for values in (Values(uniform=ends), Values(zipf=ends, exponent=exponent), Values(sequence=ends)):
        assert all(ends[0] <= value <= ends[1] for value in drawn(values, 50, seed))


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_uniform_draws_each_alike(seed: int) -> None:
    counts = Counter(drawn(Values(uniform=(3, 6)), 4000, seed))
    assert set(counts) == {3, 4, 5, 6}
    assert all(abs(count - 1000) < 6 * (4000 * 0.25 * 0.75) ** 0.5 for count in counts.values())


@settings(deadline=None, max_examples=30)
@given(seeds, st.sampled_from([0.5, 1.0, 1.5]))
def test_zipf_draws_each_by_its_rank(seed: int, exponent: float) -> None:
    size, count = 40, 4000
    total = sum(1 / k**exponent for k in range(1, size + 1))
    counts = Counter(drawn(Values(zipf=(100, 99 + size), exponent=exponent), count, seed))
    for rank in (1, 2, 3, size):
        share = 1 / rank**exponent / total
        assert abs(counts[99 + rank] - count * share) < 6 * (count * share) ** 0.5 + 7


def test_zipf_reaches_both_ends_of_a_million() -> None:
    assert drawn(Values(zipf=(1, 1_000_000)), 1)[0] <= 1_000_000
    lowest, highest = law(Values(zipf=(1, 1_000_000)), lambda: 0.0), law(
        Values(zipf=(1, 1_000_000)), lambda: 1 - 2**-53)  # fmt: skip
    assert (lowest(), highest()) == (1, 1_000_000)


@given(st.integers(2**53, 2**80))
def test_wide_ranges_end_where_they_end(size: int) -> None:
    assert law(Values(uniform=(1, size)), lambda: 1 - 2**-53)() <= size


def test_sequence_counts_its_uses_and_starts_again() -> None:
    two = (
        request("/a/{n}", values={"n": Values(sequence=(5, 7))}),
        request("/b/{n}", values={"n": Values(sequence=(0, 9))}),
    )
    paths = [target.path for target in pick(1, two, 12)]
    assert [path for path in paths if path.startswith("/a")][:4] == ["/a/5", "/a/6", "/a/7", "/a/5"]
    assert [path for path in paths if path.startswith("/b")][:3] == ["/b/0", "/b/1", "/b/2"]


def test_one_number_fills_every_place_of_its_name() -> None:
    what = request(
        "/p/{n}?a={n}", query={"b": "x{n}"}, headers={"X-N": "no {n}"}, body={"n": "{n}", "text": ["a{n}b"]},
        values={"n": Values(uniform=(1, 10**6))},
    )  # fmt: skip
    for target in pick(3, [what], 20):
        n = json.loads(target.body)["n"]
        assert target.path == f"/p/{n}?a={n}&b=x{n}"
        assert target.headers == (("X-N", f"no {n}"),)
        assert json.loads(target.body) == {"n": n, "text": [f"a{n}b"]}


@given(texts, st.dictionaries(texts, texts, max_size=3))
def test_query_parameters_mean_what_they_say(path: str, query: dict[str, str]) -> None:
    (target,) = pick(1, [request("/" + path.replace("?", "").replace("%", ""), "get", query=query)], 1)
    before, _, after = target.path.partition("?")
    assert unquote(before) == "/" + path.replace("?", "").replace("%", "")
    assert parse_qsl(after, keep_blank_values=True, strict_parsing=bool(after)) == list(query.items())
    assert target.path.isascii() and target.path.isprintable() and " " not in target.path


@given(texts)
def test_what_is_encoded_already_stays_so(text: str) -> None:
    written = f"/{quote(text, safe='')}?a={quote(text, safe='')}"
    assert pick(1, [request(written, "get")], 1)[0].path == written


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(JSON.filter(lambda body: body is not None))
def test_any_body_is_sent_as_the_json_it_is(body: Any) -> None:
    (target,) = pick(1, [request(body=body)], 1)
    assert json.loads(target.body) == body


@given(texts, texts)
def test_a_placeholder_inside_of_any_text(before: str, after: str) -> None:
    around = f'{before}{{n}}{after}"\\'
    (target,) = pick(1, [request(body=[around], values={"n": Values(uniform=(-7, -7))})], 1)
    assert json.loads(target.body) == [f'{before}-7{after}"\\']


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        ("text/plain", b"a 5 \xc3\xa4"),
        ("application/x-www-form-urlencoded", b"a 5 \xc3\xa4"),
        ("application/json", b'"a 5 \\u00e4"'),
        ("application/problem+json; charset=utf-8", b'"a 5 \\u00e4"'),
        (None, b'"a 5 \\u00e4"'),
    ],
)
def test_a_text_is_json_unless_its_type_says_otherwise(kind: str | None, sent: bytes) -> None:
    headers = {} if kind is None else {"Content-type": kind}
    what = request(body="a {n} ä", headers=headers, values={"n": Values(uniform=(5, 5))})
    assert pick(1, [what], 1)[0].body == sent


def test_requests_without_placeholders_are_one_object() -> None:
    assert len({id(target) for target in pick(1, [request("/a"), request("/b")], 50)}) == 2


def test_braces_around_anything_else_are_text() -> None:
    (target,) = pick(1, [request(body="query { products { id } } 100%")], 1)
    assert json.loads(target.body) == "query { products { id } } 100%"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (request("/{n}"), "the placeholder {n} of request 'r' has no values"),
        (request(body=["{n}"]), "the placeholder {n} of request 'r' has no values"),
        (request("/{n}", values={"n": Values()}), "exactly one of uniform, zipf, sequence: here none"),
        (request("/{n}", values={"n": Values(uniform=(1, 2), sequence=(1, 2))}), "here uniform and sequence"),
        (request("/{n}", values={"n": Values(uniform=(2, 1))}), "the lower end comes first"),
        (request("/{n}", values={"n": Values(zipf=(1, 2), exponent=0.0)}), "above 0 and at most 10, not 0"),
    ],
)
def test_what_cannot_be_filled_is_refused(wrong: Request, told: str) -> None:
    with pytest.raises(ValueError) as caught:
        pick(1, [wrong], 3)
    assert told in str(caught.value)
