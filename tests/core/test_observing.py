"""What is read from answers: the same in one piece and in many, and never more than is kept of hostile ones."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from scenario_text import FAULTS, FIXES, PROSE, SYMPTOMS, only
from test_sharing import block, order, part

from lab.catalog import kinds
from lab.driver.distributed.merge import merged
from lab.driver.fast.answer import Answer
from lab.driver.job import job_for
from lab.driver.ledger import Ledger
from lab.driver.observing import Backends, Sight
from lab.driver.schedule import schedule
from lab.driver.values import pick
from lab.driver.words import MOST_BACKENDS
from lab.model.measures import measure_specs
from lab.model.scenario import Observe, Request, Stage, Values
from lab.scenario import json_schema, parse

SEES = Sight.of(Observe(version="version", backend="X-Served-By"))


@pytest.mark.parametrize(
    ("body", "version"),
    [
        ('{"version":7}', 7), ('{"version" :\n 0}', 0), ('{"a": 1}', -1), ('{"version": "7"}', -1),
        ('{"version": 1.5}', -1), ('{"version": 1e3}', -1), ('{"version": -2}', -1), ('{"aversion": 3}', -1),
        ('{"version": null, "inner": {"version": 4}, "version": 5}', 4), ('{"version": 12', 12),
        ('{"version": ' + "9" * 18 + "}", 10**18 - 1), ('{"version": ' + "9" * 19 + "}", -1),
    ],
)  # fmt: skip
def test_version_in_a_body(body: str, version: int) -> None:
    raw = b"xx" + body.encode()
    assert SEES.version(bytearray(raw), 2, len(raw)) == version
    assert SEES.version(raw, len(raw), len(raw)) == -1


@given(st.integers(0, 10**18 - 1), st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=9)))
def test_version_in_any_json(version: int, others: dict[str, object]) -> None:
    raw = json.dumps({"version": version} | {f"x{key}": one for key, one in others.items()}).encode()
    assert SEES.version(raw, 0, len(raw)) == version


def numbered(text: str) -> str:
    known = Backends()
    n = known.number(text)
    return known.names()[n - 1] if n else ""


names = st.sampled_from(["X-Served-By", "x-served-by", "X-Served-By-Not", "Not-X-Served-By", "Date"])
texts = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=120)


@given(st.lists(st.tuples(names, texts), max_size=4), st.lists(st.integers(1, 40), max_size=9), st.booleans())
def test_header_in_pieces_is_the_one_in_a_whole_head(
    heads: list[tuple[str, str]], cuts: list[int], early: bool
) -> None:
    head = "HTTP/1.1 200 OK\r\n" + "".join(f"{name}: {text}\r\n" for name, text in heads)
    raw = f"{head}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Served-By: late\r\n\r\n".encode(
        "latin-1"
    )
    whole = SEES.backend(raw, len(f"{head}\r\n".encode("latin-1")))
    if early:
        raw = b"HTTP/1.1 103 Early\r\nX-Served-By: early\r\n\r\n" + raw
    answer = Answer()
    answer.reset(header=SEES.header)
    for size in [*cuts, len(raw)]:
        answer.feed(raw[:size])
        raw = raw[size:]
    assert answer.complete and numbered(answer.kept) == numbered(whole)


def test_instances_without_end_share_no_number() -> None:
    known = Backends()
    numbers = [known.number(f" app-{n}\t") for n in range(MOST_BACKENDS + 50)]
    assert numbers == [*range(1, MOST_BACKENDS + 1), *[0] * 50]
    assert known.number("app-3") == 4 and len(known.names()) == MOST_BACKENDS
    assert known.names()[3] == "app-3" and numbered("n" * 500) == "n" * 100
    assert numbered("") == numbered(" ") == numbered("\x1b[31m") == "" and numbered("a\x1b[31m") == "a"


def test_the_key_of_a_request_is_the_number_of_its_placeholder() -> None:
    values = {"n": Values(sequence=(5, 7)), "m": Values(uniform=(1, 9))}
    observe = Observe(version="v", key="n")
    keyed = Request(name="r", get="/{m}/{n}", values=values, observe=observe)
    found = pick(7, (keyed,), 5)
    assert [one.key for one in found] == [5, 6, 7, 5, 6]
    plain = Request(name="r", get="/{m}/{n}", values=values)
    assert [one.path for one in pick(7, (plain,), 5)] == [one.path for one in found]
    assert {one.key for one in pick(7, (plain,), 5)} == {-1}
    stage = Stage(rate=100, length=1)
    hashes = {
        schedule(seed=7, stages=(stage,), law="constant", requests=(one,)).sha256 for one in (keyed, plain)
    }
    assert len(hashes) == 1  # what is sent is the same
    with pytest.raises(ValueError, match=r"placeholder \{o\} of request 'r' has no values"):
        pick(7, (Request(name="r", get="/{n}", values=values, observe=Observe(version="v", key="o")),), 1)


def test_merged_instances_are_numbered_alike() -> None:
    parts = []
    for backends in (("a", "b"), ("c", "b")):
        rows = block(45)
        rows["backend"] = np.arange(45) % 3
        one = part(rows)
        object.__setattr__(one.played, "backends", backends)
        parts.append(one)
    done, rows = merged(order(), parts, 2, 90)
    assert done.backends == ("a", "b", "c")
    assert np.bincount(rows["backend"]).tolist() == [30, 15, 30, 15]


def test_an_answer_that_comes_just_too_late_said_nothing() -> None:
    requests = (Request(name="r", get="/", observe=Observe(version="version", backend="X-Served-By")),)
    ledger = Ledger([time.monotonic_ns() - 10**12, time.monotonic_ns()], 5 * 10**11, lambda: None)
    targets = pick(7, requests, 2)
    job = job_for(requests)(ledger=ledger, messages=(), targets=targets, requests=requests, broke=print)
    raw = b'HTTP/1.1 200 OK\r\nX-Served-By: a\r\n\r\n{"version":3}'
    for i in range(2):
        job.answer(i, 200, 13, raw, len(raw))
    rows = job.samples()
    assert rows["version"].tolist() == [-1, 3] and rows["backend"].tolist() == [0, 1]
    assert rows["key"].tolist() == [-1, -1] and job.backends() == ("a",)


LOAD = """\
load:
  rate: 100/s
  block: 1s
  requests:
    - name: change
      put: /p/{item}
      values: {item: {uniform: [1, 9]}}
      observe: {version: v, key: item, writes: true}
    - name: look
      get: /p/{item}
      values: {item: {uniform: [1, 9]}}
      observe: {version: v, key: item, backend: X-By}
"""
STALE = (
    "symptoms: [{name: stale, measure: staleness.share}, {name: old, measure: staleness.age, limit: 50ms}]\n"
)
EVEN = "symptoms: [{name: even, measure: balance.cv, among: 3, of: look, tolerance: 0.1}]\n"


def test_measures_of_answers_are_read_in_their_units() -> None:
    found = parse(PROSE + LOAD + FAULTS + STALE + FIXES, kinds(), "good.yaml")
    share, age = measure_specs(found, kinds())
    assert (share.unit, share.scale, share.tolerance) == ("share", "difference", 0.01)
    assert (age.unit, age.scale, age.limit) == ("ms", "difference", 50.0)
    found = parse(PROSE + LOAD + FAULTS + EVEN + FIXES, kinds(), "good.yaml")
    (even,) = measure_specs(found, kinds())
    assert (even.unit, even.scale, even.tolerance, found.symptoms[0].among) == ("cv", "difference", 0.1, 3)
    assert found.load.requests[0].observe == Observe(version="v", key="item", writes=True)


READS = "{version: v, key: item, backend: X-By}"
MISTAKES = {
    "unknown key": (READS, "{versoin: v}", "unknown key 'versoin': did you mean 'version'?"),
    "nothing": (READS, "{}", "missing key 'version' or 'backend'"),
    "no field": (READS, "{version: a.b, key: item}", "'a.b' is no name of a field"),
    "key of nothing": (READS, "{key: item, backend: X-By}", "key belongs to a version"),
    "write of nothing": (READS, "{writes: true, backend: X-By}", "writes belongs to a version"),
    "unknown placeholder": (READS, "{version: v, key: itme}", "unknown placeholder 'itme': did you mean 'item'?"),
    "no header": (READS, "{version: v, key: item, backend: X By}", "'X By' is not the name of a header"),
    "true or false": (READS, "{version: v, key: item, writes: 1}", "expected true or false, got 1"),
    "large keys": ("[1, 9]", "[1, 9223372036854775808]", "the numbers of {item} are too large for a key"),
    "nobody writes": ("writes: true", "writes: false", "staleness.share needs a request with observe: {version"),
    "nobody reads": (READS, "{version: v, key: item, writes: true}", "needs a request with observe: {version"),
    "two kinds of things": (READS, "{version: v}", "needs a key in each request that observes a version"),
    "among of a share": ("staleness.share", "staleness.share, among: 3", "is not of instances: leave out"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_at_its_place(name: str) -> None:
    right, wrong, message = MISTAKES[name]
    of_answers = "staleness" in right + message or "needs" in message
    symptoms = "symptoms: [{name: stale, measure: staleness.share}]\n" if of_answers else SYMPTOMS
    text = PROSE + LOAD + FAULTS + symptoms + FIXES
    assert right in text
    assert message in only(text.replace(right, wrong, 1)).message


BALANCE = {
    "no instances": ("among: 3, ", "", "missing key 'among': balance.cv needs a number of instances"),
    "one instance": ("among: 3", "among: 1", "a balance is among 2 instances or more"),
    "not observed": ("of: look", "of: change", "needs a request with observe: {backend: HEADER}"),
    "no tolerance": (", tolerance: 0.1", "", "missing key 'limit' or 'tolerance': balance.cv"),
}


@pytest.mark.parametrize("name", BALANCE)
def test_a_mistake_of_a_balance_is_told(name: str) -> None:
    right, wrong, message = BALANCE[name]
    assert message in only(PROSE + LOAD + FAULTS + EVEN.replace(right, wrong) + FIXES).message


def test_what_a_locustfile_asks_is_not_observed() -> None:
    load = "load: {rate: 10/s, block: 1s, locustfile: users.py}\n"
    symptoms = "symptoms: [{name: stale, measure: staleness.share}]\n"
    assert "what a locustfile asks" in only(PROSE + load + FAULTS + symptoms + FIXES).message
    assert "errors.share is not of instances" in only(
        PROSE + load + FAULTS + SYMPTOMS.replace("limit", "among: 2, limit") + FIXES
    ).message  # fmt: skip


def test_schema_for_editors_knows_what_may_be_observed() -> None:
    validator = Draft202012Validator(json_schema(kinds()))
    text = PROSE + LOAD + FAULTS + EVEN + FIXES

    def fits(one: str) -> bool:
        return bool(validator.is_valid(YAML(typ="safe", pure=True).load(one)))

    assert fits(text)
    for wrong in ("{}", "{key: item}", "{writes: true}", "{version: 1}", "{versions: v}"):
        assert not fits(text.replace(READS, wrong)), wrong
    assert not fits(text.replace("among: 3", "among: 1"))
