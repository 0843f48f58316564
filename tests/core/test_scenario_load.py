"""What a scenario may ask of the app: requests in full, rates in stages, users of a locustfile."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from scenario_text import FAULTS, FIXES, LOAD, PROSE, SYMPTOMS, WHOLE, only

from lab.catalog import kinds
from lab.model.scenario import Expect, Load, Scenario, Stage, Values, WrittenStage
from lab.scenario import json_schema, parse

RICH = """\
load:
  rate: 100/s
  block: 1s
  requests:
    - name: search
      get: /search?sort=price
      query: {q: "bag {word}", page: "{page}"}
      headers: {X-Shop: "shop-{shop}", User-Agent: somebody}
      values: {word: {zipf: [1, 900], exponent: 1.2}, page: {sequence: [1, 3]}, shop: {uniform: [-1, 4]}}
      expect: {status: [200, 404], contains: '"items"'}
    - name: change
      put: /products/{product}
      body: {price: "{price}", tags: ["tag {price}"]}
      values: {product: {uniform: [1, 9]}, price: {uniform: [1, 9]}}
    - {name: forget, delete: /carts/1, weight: 0.5}
    - {name: note, patch: /notes, body: "words, {plain} words", headers: {content-type: text/plain},
       values: {plain: {sequence: [0, 1]}}}
"""
STAGES = "load: {stages: [%s], block: 1s, requests: [{name: home, get: /}]}\n"
RAMP = STAGES % "{rate: 50/s, length: 400ms}, {rate: 50/s, to: 200/s, length: 600ms}"
JOURNEYS = "load: {rate: 10/s, block: 1s, locustfile: users/shop.py, classes: [Buyer, Reader]}\n"
CLOSED = "load: {users: 10, block: 1s, requests: [{name: home, get: /}]}\n"


def scenario(load: str, symptoms: str = SYMPTOMS) -> Scenario:
    return parse(PROSE + load + FAULTS + symptoms + FIXES, kinds(), "good.yaml")


def test_requests_in_full() -> None:
    search, change, forget, note = scenario(RICH).load.requests
    assert (search.method, search.path) == ("GET", "/search?sort=price")
    assert search.query == {"q": "bag {word}", "page": "{page}"}
    assert search.values["word"] == Values(zipf=(1, 900), exponent=1.2)
    assert search.expect == Expect(status=(200, 404), contains='"items"')
    assert (change.method, change.body) == ("PUT", {"price": "{price}", "tags": ["tag {price}"]})
    assert (forget.method, forget.weight) == ("DELETE", 0.5)
    assert (note.method, note.headers) == ("PATCH", {"content-type": "text/plain"})


def test_the_rate_of_a_load_in_stages_is_their_mean() -> None:
    load = scenario(RAMP).load
    assert load.stages == (WrittenStage(rate="50/s", length="400ms"),
                           WrittenStage(rate="50/s", to="200/s", length="600ms"))  # type: ignore[arg-type]  # fmt: skip
    assert load.rate == pytest.approx(50 * 0.4 + 125 * 0.6)
    assert all(isinstance(stage, Stage) for stage in load.stages)


def test_a_load_that_is_made_in_code_has_its_mean_rate_too() -> None:
    stage = WrittenStage(rate="100/s", length="500ms")  # type: ignore[arg-type]
    assert Load(stages=(stage,), block="500ms").rate == 100.0  # type: ignore[arg-type]


def test_a_stage_may_be_silent() -> None:
    load = scenario(STAGES % "{rate: 0/s, length: 500ms}, {rate: 200/s, length: 500ms}").load
    assert load.rate == 100.0


def test_a_locustfile_with_classes() -> None:
    load = scenario(JOURNEYS).load
    assert (load.locustfile, load.classes, load.requests) == ("users/shop.py", ("Buyer", "Reader"), ())


def test_a_measure_may_name_any_request_of_a_locustfile() -> None:
    of_it = SYMPTOMS.replace("errors.share", "latency.p99, of: checkout").replace("1%", "1s")
    assert scenario(JOURNEYS, of_it).symptoms[0].of == "checkout"


def test_closed_load_has_no_rate_and_no_count_of_requests() -> None:
    load = scenario(CLOSED, SYMPTOMS.replace("errors.share, limit: 1%", "latency.p99, limit: 1s")).load
    assert (load.users, load.rate) == (10, 0.0)


REQUEST = {
    "post and put": ("get: /", "post: /, put: /", "7:43 a request has exactly one of"),
    "body of a delete": ("get: /", "delete: /, body: 1", "7:67 a DELETE has no body"),
    "method": ("get: /", "head: /", "7:56 unknown key 'head': did you mean 'headers'? (known: body, delete"),
    "braces": ("get: /", "get: '/{product id}'", "7:61 braces in a path are for placeholders"),
    "open brace": ("get: /", "get: '/{id'", "7:61 braces in a path"),
    "values of a query": ("get: /", "get: /, query: {a: '{n}'}", "7:75 the placeholder {n} has no values"),
    "values of a header": ("get: /", "get: /, headers: {a: '{n}'}", "7:77 the placeholder {n} has no"),
    "values of a body": (
        "get: /",
        "post: /, body: {a: [1, {b: 'x {n}'}]}",
        "7:83 the placeholder {n} has no values: add values: {n: {uniform: [1, 5000]}}",
    ),
    "query as a number": ("get: /", "get: /, query: {a: 1}", "7:75 expected text, got 1 (a number): put it"),
    "placeholder in a key of the query": (
        "get: /",
        "get: /, query: {'{n}': a}",
        "7:72 a placeholder stands in a value, not in a key",
    ),
    "placeholder in a key of the body": (
        "get: /",
        "post: /, body: {a: {'{n}': 1}}",
        "7:76 a placeholder stands in a value",
    ),
    "name of a placeholder": (
        "get: /",
        "get: '/{a}', values: {a: {uniform: [1, 2]}, 'b c': {uniform: [1, 2]}}",
        "'b c' is no name of a placeholder",
    ),
    "two laws": (
        "get: /",
        "get: '/{a}', values: {a: {uniform: [1, 2], zipf: [1, 2]}}",
        "7:81 values have exactly one of uniform, zipf, sequence: here uniform and zipf",
    ),
    "no law": ("get: /", "get: '/{a}', values: {a: {}}", "here none, for example uniform: [1, 5000]"),
    "ends of zipf": (
        "get: /",
        "get: '/{a}', values: {a: {zipf: [3, 1]}}",
        "the lower end comes first: [1, 3]",
    ),
    "wide zipf": ("get: /", "get: '/{a}', values: {a: {zipf: [0, 1000000]}}", "at most 1,000,000 numbers"),
    "exponent of uniform": (
        "get: /",
        "get: '/{a}', values: {a: {uniform: [1, 2], exponent: 2}}",
        "7:99 only zipf has an exponent",
    ),
    "exponent 0": (
        "get: /",
        "get: '/{a}', values: {a: {zipf: [1, 2], exponent: 0}}",
        "an exponent is above 0",
    ),
    "name of a header": ("get: /", "get: /, headers: {'a b': c}", "7:74 'a b' is not the name of a header"),
    "line in a header": (
        "get: /",
        'get: /, headers: {a: "b\\r\\nc: d"}',
        "7:77 a header is one line of text",
    ),
    "space around a header": ("get: /", "get: /, headers: {a: ' b'}", "without spaces around it"),
    "our header": ("get: /", "get: /, headers: {Host: b}", "7:74 the lab itself sets Host: leave it out"),
    "our header in capitals": ("get: /", "get: /, headers: {CONTENT-LENGTH: '1'}", "sets CONTENT-LENGTH"),
    "our transfer": ("get: /", "get: /, headers: {Transfer-Encoding: chunked}", "sets Transfer-Encoding"),
    "our connection": ("get: /", "get: /, headers: {connection: close}", "sets connection"),
    "header twice": ("get: /", "get: /, headers: {A: b, a: c}", "7:80 a second header 'a'"),
    "form of keys": (
        "get: /",
        "post: /, headers: {content-type: application/x-www-form-urlencoded}, body: {a: 1}",
        "keys and values are sent as JSON",
    ),
    "status": ("get: /", "get: /, expect: {status: [200, 600]}", "7:87 a status is a number from 100 to 599"),
    "one status": ("get: /", "get: /, expect: {status: 200}", "7:81 expected a list, got 200 (a number)"),
    "key of expect": ("get: /", "get: /, expect: {statuses: [200]}", "did you mean 'status'?"),
}
LOADS = {
    "no amount": ("rate: 100/s, ", "", "7:7 missing key 'rate' (or stages, or users): write rate: 100/s"),
    "two amounts": (
        "rate: 100/s",
        "rate: 100/s, users: 3",
        "7:21 a load has exactly one of rate, stages, users",
    ),
    "rate and stages": (
        "rate: 100/s",
        "rate: 100/s, stages: [{rate: 100/s, length: 1s}]",
        "here rate and stages",
    ),
    "no stages": ("rate: 100/s", "stages: []", "7:16 the list is empty: write at least one"),
    "silent stages": ("rate: 100/s", "stages: [{rate: 0/s, length: 1s}]", "nothing is due"),
    "short stages": (
        "rate: 100/s",
        "stages: [{rate: 100/s, length: 300ms}, {rate: 100/s, length: 698ms}]",
        "7:16 the stages last 998ms, the block 1000ms: together they fill the block",
    ),
    "empty stage": (
        "rate: 100/s",
        "stages: [{rate: 90/s, length: 1s}, {rate: 1/s, length: 0s}]",
        "7:63 a stage lasts longer than 0",
    ),
    "unit of a stage": ("rate: 100/s", "stages: [{rate: 100, length: 1s}]", "100 has no unit"),
    "key of a stage": (
        "rate: 100/s",
        "stages: [{rate: 9/s, until: 9/s, length: 1s}]",
        "unknown key 'until' (known: length, rate, to)",
    ),
    "stage without length": ("rate: 100/s", "stages: [{rate: 100/s}]", "7:17 missing key 'length'"),
    "too few in stages": (
        "rate: 100/s",
        "stages: [{rate: 0/s, to: 60/s, length: 1s}]",
        "30 requests in a block are too few: at 30/s",
    ),
    "no users": ("rate: 100/s", "users: 0", "7:15 a load has at least one user"),
    "arrivals of users": ("rate: 100/s", "users: 3, arrivals: constant", "7:18 users ask again when"),
    "short block of users": ("rate: 100/s, block: 1s", "users: 3, block: 100ms", "a block lasts at least"),
    "requests and a locustfile": (
        "rate: 100/s",
        "rate: 100/s, locustfile: a.py",
        "a load has requests or a locustfile, not both",
    ),
    "classes without a file": (
        "rate: 100/s",
        "rate: 100/s, classes: [A]",
        "7:21 classes are those of a locustfile",
    ),
    "nobody": (LOAD, "load: {rate: 100/s, block: 1s, locustfile: null}\n", "missing key 'requests'"),
    "no Python": (
        LOAD,
        "load: {rate: 100/s, block: 1s, locustfile: a.txt}\n",
        "a locustfile is a Python file",
    ),
    "no class": (LOAD, JOURNEYS.replace("Reader", "a-b"), "'a-b' is not the name of a class"),
    "class twice": (LOAD, JOURNEYS.replace("Reader", "Buyer"), "the class Buyer is named twice"),
    "no classes": (LOAD, JOURNEYS.replace("[Buyer, Reader]", "[]"), "name a user class, or leave out"),
}


@pytest.mark.parametrize("name", [*REQUEST, *LOADS])
def test_a_mistake_is_found_at_its_place(name: str) -> None:
    before, after, expected = (REQUEST | LOADS)[name]
    assert before in WHOLE
    found = only(WHOLE.replace(before, after, 1))
    told = f"{found.line}:{found.col} {found.message}"
    assert told.startswith(expected) if expected[1:2] == ":" else expected in told, told


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    return Draft202012Validator(json_schema(kinds())["properties"]["load"])


def written(load: str) -> Any:
    return YAML(typ="safe", pure=True).load(load)["load"]


@pytest.mark.parametrize("load", [LOAD, RICH, RAMP, JOURNEYS, CLOSED])
def test_the_schema_takes_what_the_parser_takes(load: str, validator: Draft202012Validator) -> None:
    assert [error.message for error in validator.iter_errors(written(load))] == []


@pytest.mark.parametrize(
    "name",
    ["post and put", "method", "two laws", "no law", "status", "key of expect", "no amount", "two amounts", "no stages",
     "key of a stage", "stage without length", "no users", "requests and a locustfile", "classes without a file"],
)  # fmt: skip
def test_the_schema_refuses_what_editors_can_show(name: str, validator: Draft202012Validator) -> None:
    before, after, _ = (REQUEST | LOADS)[name]
    assert not validator.is_valid(written(LOAD.replace(before, after, 1)))
