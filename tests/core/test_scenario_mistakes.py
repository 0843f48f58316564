"""Every mistake is told at once, with line and column and what to write instead."""

from __future__ import annotations

import re

import pytest
from scenario_text import FAULTS, FIXES, LOAD, PROSE, SYMPTOMS, WHOLE, only, problems

from lab.catalog import kinds
from lab.scenario import parse


def test_the_base_of_these_tests_is_valid() -> None:
    assert parse(WHOLE, kinds(), "good.yaml").slug == "good"


def test_all_mistakes_are_told_at_once() -> None:
    text = (
        PROSE.replace("guide", "giude")
        + "load: {rate: 100, block: 1s, requests: [{name: home, get: /}], burst: 3}\n"
        + "faults: [{kind: kil, service: redis}]\n"
        + "symptoms: [{name: failed, measure: error.share, limit: 1%}]\n"
        + "fixes:\n  better: {documented: maybe, why: words, code: better}\n  better: {documented: true}\n"
    )
    told = "\n".join(f"{p.line}:{p.col} {p.message}" for p in problems(text))
    assert "1:1 missing key 'guide'" in told
    assert "2:1 unknown key 'giude': did you mean 'guide'?" in told
    assert "7:14 100 has no unit: write a rate such as 100/s" in told
    assert "7:64 unknown key 'burst': did you mean 'users'? (known: arrivals, block, classes" in told
    assert "8:17 unknown fault kind 'kil': did you mean 'kill'?" in told
    assert "9:36 unknown measure 'error.share': did you mean 'errors.share'?" in told
    assert "11:24 expected true or false, got 'maybe' (text)" in told
    assert "12:3 duplicate key 'better': first given in line 11" in told


CASES = {
    "wrong type of text": (
        "title: words",
        "title: 5",
        "1:8 expected text, got 5 (a number): put it in quotes",
    ),
    "a list for text": ("title: words", "title: [a]", "1:8 expected text, got a list"),
    "nothing for text": ("title: words", "title:", "1:1 expected text, got nothing"),
    "empty mapping": ("load: {", "load:\n# {", "7:1 expected keys and values, got nothing"),
    "wrong unit": ("rate: 100/s", "rate: 100/h", "7:14 '100/h' is not a rate: write it as 100/s"),
    "negative": ("block: 1s", "block: -1s", "7:28 '-1s' is not a duration"),
    "rate 0": ("rate: 100/s", "rate: 0/s", "7:14 a rate is above 0"),
    "word for a list": (LOAD, "load: {rate: 100/s, block: 1s, requests: home}\n", "7:42 expected a list"),
    "no requests": (LOAD, "load: {rate: 100/s, block: 1s}\n", "7:7 missing key 'requests'"),
    "empty requests": ("[{name: home, get: /}]", "[]", "7:42 the list is empty"),
    "arrivals": ("block: 1s", "block: 1s, arrivals: posson", "7:42 expected 'poisson' or 'constant', got"),
    "no method": ("get: /", "weight: 1", "7:43 a request has exactly one of get, post, put"),
    "two methods": ("get: /", "get: /, post: /", "patch, delete: here get and post"),
    "no slash": ("get: /", "get: home", "7:61 a path begins with a slash: /home"),
    "body of a get": ("get: /", "get: /, body: {a: 1}", "7:64 a GET has no body"),
    "no values": ("get: /", "get: '/{id}'", "7:61 the placeholder {id} has no values"),
    "no placeholder": ("get: /", "get: /, values: {id: {uniform: [1, 2]}}", "has {id}"),
    "a law": ("get: /", "get: '/{id}', values: {id: {zipff: [1, 2]}}", "did you mean 'zipf'?"),
    "ends": ("get: /", "get: '/{id}', values: {id: {uniform: [2, 1]}}", "the lower end comes first: [1, 2]"),
    "one end": ("get: /", "get: '/{id}', values: {id: {uniform: [1]}}", "wrong length of the list"),
    "weight": ("get: /", "get: /, weight: 0", "a weight is above 0"),
    "name twice": (
        "[{name: home, get: /}]",
        "[{name: a, get: /}, {name: a, get: /}]",
        "a second request named 'a'",
    ),
    "fault without kind": ("{kind: kill, service: redis}", "{service: redis}", "8:10 missing key 'kind'"),
    "fault as a word": ("{kind: kill, service: redis}", "kill", "8:10 expected keys and values, got 'kill'"),
    "service": ("service: redis", "service: mysql", "8:32 expected 'app', 'postgres' or 'redis'"),
    "fault's key": ("service: redis", "service: redis, delay: 1s", "8:39 unknown key 'delay'"),
    "when": ("service: redis", "service: redis, when: always", "expected 'standing' or 'each-block'"),
    "at of a standing fault": (
        "service: redis",
        "service: redis, at: 1s",
        "8:39 a standing fault happens before",
    ),
    "window without event": ("service: redis", "service: redis, event_window: 1s", "kill has no event"),
    "the same fault twice": (
        FAULTS,
        "faults: [{kind: kill, service: redis}, {kind: kill, service: redis, when: each-block}]\n",
        "a second kill on redis: the first is in line 8",
    ),
    "event needs each-block": (FAULTS, "faults: [{kind: expire-key, key: a}]\n", "write when: each-block"),
    "event needs a window": (
        FAULTS,
        "faults: [{kind: expire-key, key: a, when: each-block}]\n",
        "8:10 missing key 'event_window': how long an expiry is felt",
    ),
    "window longer than the block": (
        FAULTS,
        "faults: [{kind: expire-key, key: a, when: each-block, event_window: 2s}]\n",
        "7:28 expire-key is felt until 2050ms",
    ),
    "no symptoms": (SYMPTOMS, "", "1:1 missing key 'symptoms'"),
    "limit as a number": ("limit: 1%", "limit: 0.01", "errors.share is a share: 0.01 has no unit"),
    "limit of a latency": ("errors.share, limit: 1%", "latency.p50, limit: 1%", "latency.p50 is a duration"),
    "limit of a count": (
        "errors.share, limit: 1%",
        "postgres.calls, of: health, per: request, limit: 1s",
        "postgres.calls is a count: write a bare number such as 1, not '1s' (text)",
    ),
    "negative count": ("errors.share, limit: 1%", "redis.hits, limit: -1", "a limit is 0 or more"),
    "of no request": ("limit: 1%", "limit: 1%, of: hom", "unknown request 'hom': did you mean 'home'?"),
    "of no label": (
        "errors.share, limit: 1%",
        "postgres.calls, of: rankng, limit: 1",
        "unknown label of a statement 'rankng': did you mean 'ranking'?",
    ),
    "of a whole server": (
        "errors.share, limit: 1%",
        "redis.hits, of: a, limit: 1",
        "counts for the whole server",
    ),
    "per no event": (
        "errors.share, limit: 1%",
        "redis.hits, per: expiry, limit: 1",
        "unknown event 'expiry' (known: request)",
    ),
    "per of a latency": (
        "limit: 1%",
        "limit: 1%, per: request",
        "errors.share is of the requests themselves",
    ),
    "over is missing": ("errors.share", "latency.share_over", "missing key 'over'"),
    "over of errors": ("limit: 1%", "limit: 1%, over: 1s", "errors.share has no bound"),
    "tau of a share": ("limit: 1%", "limit: 1%, tau: 2", "write tolerance instead"),
    "tolerance of a ratio": (
        "errors.share, limit: 1%",
        "latency.p50, tolerance: 1ms",
        "latency.p50 is compared as a ratio: write tau instead",
    ),
    "small tau": ("errors.share, limit: 1%", "latency.p50, tau: 0.5", "tau is the tolerated ratio"),
    "count without a bound": ("errors.share, limit: 1%", "redis.hits", "missing key 'limit' or 'tolerance'"),
    "time without a bound": (
        "errors.share, limit: 1%",
        "availability.downtime",
        "missing key 'limit' or 'tolerance': availability.downtime is a duration that can be zero",
    ),
    "tolerance of a time": (
        "errors.share, limit: 1%",
        "availability.downtime, tolerance: 1%",
        "availability.downtime is a duration: '1%' is not a duration",
    ),
    "limit of a size": (
        "errors.share, limit: 1%",
        "bytes.per_response, limit: 100KB/s",
        "bytes.per_response is a size: '100KB/s' is not a size: write it as 100KB (units: B, kB, KB, MB",
    ),
    "tau of a time": (
        "errors.share, limit: 1%",
        "availability.downtime, limit: 1s, tau: 2",
        "availability.downtime can be zero and is compared as a difference: write tolerance instead",
    ),
    "over of lost throughput": (
        "errors.share, limit: 1%",
        "throughput.lost, over: 1s",
        "throughput.lost has no bound",
    ),
    "recovery without a fault in the block": (
        "errors.share, limit: 1%",
        "recovery.time, limit: 1s",
        "recovery.time counts from a fault in each block: none here has when: each-block",
    ),
    "recovery without a limit": (
        FAULTS + SYMPTOMS,
        "faults: [{kind: kill, service: redis, when: each-block}]\n"
        "symptoms: [{name: back, measure: recovery.time, tolerance: 1s}]\n",
        "missing key 'limit': recovery.time has no value in healthy blocks to compare with",
    ),
    "p99": ("errors.share, limit: 1%", "latency.p99", "100 requests a block for latency.p99 mean little"),
    "measure named twice": (
        SYMPTOMS,
        SYMPTOMS + "guardrails: [{name: failed, measure: errors.share}]\n",
        "10:21 a second measure named 'failed': the first is in line 9",
    ),
    "few requests": (
        "rate: 100/s",
        "rate: 30/s",
        "30 requests in a block are too few: at 30/s, 40 of them take",
    ),
    "short block": ("block: 1s", "block: 450ms", "7:28 a block lasts at least 500ms"),
    "fix without kind": (", code: better", "", "exactly one of the keys code, "),
    "fix of two kinds": ("code: better", "code: a, sql: {run: a, placebo: b}", "here code and sql"),
    "fix's key": ("why: words", "why: words, cost: little", "did you mean 'costs'?"),
    "fix kind": ("code: better", "cod: better", "unknown key 'cod': did you mean 'code'?"),
    "fix without why": ("why: words, ", "", "10:17 missing key 'why'"),
    "scalar is not enough": ("code: better", "sql: SELECT 1", "missing key 'placebo'"),
    "number for text": ("code: better", "code: 5", "expected text, got 5 (a number)"),
    "list for a fix": ("code: better", "code: [a]", "expected keys and values (variant), got a list"),
    "placebo is taken": ("{better:", "{placebo:", "'placebo' is the lab's own word"),
    "name of a fix": ("{better:", "{Much_Better:", "small letters, digits and dashes"),
    "a state": ("why: words", "why: words, expect: solved", "expected 'resolved', 'improved'"),
    "a reason": ("why: words", "why: words, expect: improved", "missing key 'expect_reason'"),
    "processes": ("why: words", "why: words, processes: 0", "at least one process"),
    "processes of the stack": (
        LOAD,
        LOAD + "stack: {processes: 0}\n",
        "8:20 an app has at least one process",
    ),
    "server that is not there": (
        "errors.share, limit: 1%",
        "redis.hits, limit: 1}]\nstack: {services: [postgres]}\nguardrails: [{name: a, measure: errors.share",
        "redis.hits needs redis: add it to the services of the stack",
    ),
    "service unknown": (LOAD, LOAD + "stack: {services: [mysql]}\n", "8:20 expected 'postgres' or 'redis'"),
    "healthy": (
        FAULTS,
        FAULTS + "healthy: none\n",
        "9:10 unknown value 'none' (known: code, fault-off, limit, load)",
    ),
    "healthy without a fault": (
        FAULTS,
        "healthy: fault-off\n",
        "8:10 without a fault nothing can be switched off",
    ),
    "limit without a limit": (
        SYMPTOMS,
        "healthy: limit\nsymptoms: [{name: slow, measure: latency.p50}]\n",
        "without a healthy arm the limit alone decides",
    ),
    "evidence": (FIXES, FIXES + "evidence: [{kind: explan, of: a}]\n", "did you mean 'explain'?"),
    "a counter is no evidence": (
        FIXES,
        FIXES + "evidence: [{kind: redis}]\n",
        "unknown evidence kind 'redis'",
    ),
    "evidence's key": (FIXES, FIXES + "evidence: [{kind: explain}]\n", "11:12 missing key 'of'"),
    "strict": (FIXES, FIXES + "strict: very\n", "11:9 expected true or false, got 'very'"),
    "a gauge has no event": (
        "errors.share, limit: 1%",
        "memory.peak, per: request",
        "memory.peak is of the whole block: leave out",
    ),
    "a gauge has no bound": (
        "errors.share, limit: 1%",
        "memory.peak, over: 1s",
        "memory.peak has no bound: leave out",
    ),
    "a gauge of a service": (
        "errors.share, limit: 1%",
        "memory.slope, of: redsi, tolerance: 1",
        "unknown service 'redsi': did you mean 'redis'?",
    ),
    "a gauge of the whole server": (
        "errors.share, limit: 1%",
        "connections.peak, of: app, limit: 1",
        "connections counts for the whole server: leave out",
    ),
    "a slope can be zero": (
        "errors.share, limit: 1%",
        "memory.slope",
        "missing key 'limit' or 'tolerance': memory.slope is a count that can be zero",
    ),
    "a gauge that needs a server": (
        "errors.share, limit: 1%",
        "connections.peak, limit: 1}]\nstack: {services: [redis]}\nguardrails: [{name: a, measure: errors.share",
        "connections.peak needs postgres: add it to the services of the stack",
    ),
    "heals too late": (FIXES, FIXES + "closing: {length: 1s, heal_at: 2s}\n", "11:32 the fault heals within"),
    "nothing to heal": (
        FAULTS,
        "faults: [{kind: kill, service: redis, when: each-block}]\nclosing: {length: 3s, heal_at: 1s}\n",
        "9:1 nothing heals in the closing stretch",
    ),
    "key on": ("title: words", "title: words\non: true", "2:1 never name a key 'on'"),
    "key true": ("title: words", "title: words\ntrue: 1", "2:1 a key is text: 'true' is not"),
    "key number": ("title: words", "title: words\n5: 1", "2:1 a key is text: '5' is not"),
    "key list": ("title: words", "title: words\n? [a]\n: 1", "a key is one word"),
    "anchor": ("title: words", "title: &a words", "1:8 no anchors: remove &a"),
    "tag": ("title: words", "title: !!python/name:os.system x", "1:8 no tags"),
    "infinite": ("why: words", "why: words, processes: .inf", ".inf is not a number that can be measured"),
    "old YAML": ("title: words", "%YAML 1.1\n---\ntitle: words", "no %YAML or %TAG line"),
    "second document": (FIXES, FIXES + "---\ntitle: b\n", "11:1 a second document"),
    "syntax": ("title: words", "title: [words", "not YAML"),
    "tab": ("title: words", "title: words\nstack:\n\tapp: a", "3:1 not YAML"),
    "colon in prose": ("title: words", "title: a: b", "1:9 not YAML: mapping values are not allowed here"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_found_at_its_place(name: str) -> None:
    before, after, expected = CASES[name]
    assert before in WHOLE
    found = problems(WHOLE.replace(before, after, 1))
    told = [f"{p.line}:{p.col} {p.message}" for p in found]
    assert len(told) == 1, told
    placed = re.match(r"\d+:\d+ ", expected)
    assert told[0].startswith(expected) if placed else expected in told[0], told


def test_a_quantile_wants_requests_enough() -> None:
    text = WHOLE.replace("rate: 100/s", "rate: 50/s").replace("errors.share, limit: 1%", "latency.p95")
    assert "50 requests a block for latency.p95 mean little (wanted: 100)" in only(text).message
    assert "share_over" in only(text).message
    parse(text.replace("block: 1s", "block: 2s"), kinds(), "good.yaml")


def test_a_quantile_of_one_request_counts_its_share_of_the_load() -> None:
    two = "[{name: home, get: /}, {name: rare, get: /rare}]"
    text = WHOLE.replace("[{name: home, get: /}]", two).replace(
        "errors.share, limit: 1%", "latency.p95, of: rare"
    )
    assert "50 requests a block for latency.p95" in only(text).message
