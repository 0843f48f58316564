"""Every fault on a link against real servers: it bites, it heals, and what it was asked to do is what it does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import pytest
from arm_at_work import ask, until
from pydantic import ValidationError

from lab.cli.links import lacks_with
from lab.errors import EnvironmentFailed, LabError
from lab.faults.bandwidth import Bandwidth
from lab.faults.fail_first import FailFirst
from lab.faults.latency import Latency
from lab.faults.limit_data import LimitData
from lab.faults.link_down import LinkDown
from lab.faults.reset_peer import ResetPeer
from lab.faults.slicer import Slicer
from lab.faults.slow_close import SlowClose
from lab.faults.timeout import Timeout
from lab.link.client import LinkClient, LinkedProxy
from lab.link.process import Link
from lab.model.stack import ArmSpec, Fault, RunContext, Running, Stack
from lab.probes.health import Health
from lab.reaper import Reaper, reap, remaining
from lab.stacks._link import answering, on_this_machine
from lab.stacks.containers import Containers
from lab.stacks.embedded import Embedded

EXAMPLES: dict[type[Fault], Fault] = {
    Latency: Latency(link="redis", delay="60ms"),
    Bandwidth: Bandwidth(link="redis", rate="400KB"),
    SlowClose: SlowClose(link="redis", delay="200ms"),
    Timeout: Timeout(link="redis", after="300ms"),
    ResetPeer: ResetPeer(link="redis", after="0ms"),
    Slicer: Slicer(link="redis", size="200B", variation="50B", delay="5ms"),
    LimitData: LimitData(link="redis", bytes="60KB"),
    LinkDown: LinkDown(link="redis"),
    FailFirst: FailFirst(link="redis", connections=3),
}
OTHERS = [
    Latency(link="postgres", delay="40ms", jitter="10ms", stream="upstream"),
    Bandwidth(link="postgres", rate="300KB", stream="upstream"),
    SlowClose(link="postgres", delay="150ms", stream="upstream"),
    Timeout(link="postgres", after="0ms", stream="upstream"),
    ResetPeer(link="postgres", after="200ms", stream="upstream"),
    Slicer(link="postgres", size="100B", delay="4ms", stream="upstream"),
    LimitData(link="postgres", bytes="20KB", stream="upstream"),
    LinkDown(link="postgres"),
    Latency(link="redis", delay="2ms"),
    Latency(link="redis", delay="30ms", jitter="30ms"),
    FailFirst(link="postgres", connections=1),
]
IN_PART = [
    Latency(link="redis", delay="80ms", toxicity="50%"),
    Timeout(link="redis", after="200ms", toxicity="30%"),
    ResetPeer(link="postgres", toxicity="20%"),
]
ALL = [*EXAMPLES.values(), *OTHERS, *IN_PART]


@contextmanager
def linked_arm(stack: Stack, link_url: str = "") -> Iterator[Running]:
    """An arm with a link before each of its servers."""
    with TemporaryDirectory() as name:
        scratch = Path(name)
        scratch.chmod(0o755)
        reaper = Reaper.start(scratch)
        run = RunContext(
            id="links",
            folder=scratch,
            scratch=scratch,
            seed=7,
            report=lambda _line: None,
            own=reaper.own,
            link_url=link_url,
        )
        try:
            stack.prepare(run)
            running = stack.start(ArmSpec(name="one", links=frozenset({"redis", "postgres"})), run)
            try:
                yield running
            finally:
                running.stop()
        finally:
            reaper.close()


@pytest.fixture(scope="module")
def linked() -> Iterator[Running]:
    with linked_arm(Embedded()) as running:
        link = LinkClient(running.link("redis").api)
        yield running
    assert not answering(link)()


def proxy_of(fault: Fault, running: Running) -> LinkedProxy:
    point = running.link(fault.link)  # type: ignore[attr-defined]
    return LinkClient(point.api).proxy(point.proxy)


def bites_and_heals(fault: Fault, running: Running) -> None:
    before = proxy_of(fault, running)
    with fault.inject(running) as done:
        assert json.loads(json.dumps(dict(done))) == done
        doses = fault.dose(running)
        assert doses and all(dose.bit for dose in doses), doses
    healed = fault.dose(running)
    assert not healed[0].bit, healed
    assert proxy_of(fault, running) == before


@pytest.mark.parametrize("fault", ALL, ids=repr)
def test_it_does_what_it_was_asked_to_and_then_no_more(fault: Fault, linked: Running) -> None:
    bites_and_heals(fault, linked)


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("fault", EXAMPLES.values(), ids=repr)
def test_it_heals_whatever_happens(fault: Fault, interruption: type[BaseException], linked: Running) -> None:
    before = proxy_of(fault, linked)
    undo = fault.undo(linked)
    assert json.loads(json.dumps(dict(undo))) == undo
    with pytest.raises(interruption), fault.inject(linked):
        raise interruption
    assert proxy_of(fault, linked) == before
    assert not fault.dose(linked)[0].bit


@pytest.mark.parametrize("fault", [EXAMPLES[Latency], EXAMPLES[LinkDown], EXAMPLES[FailFirst]], ids=repr)
def test_what_somebody_else_has_healed_or_restarted_is_no_error(fault: Fault, linked: Running) -> None:
    before = proxy_of(fault, linked)
    with fault.inject(linked):
        LinkClient(linked.link("redis").api).reset()
    assert proxy_of(fault, linked) == before
    with fault.inject(linked):
        linked.restart("redis")
    assert proxy_of(fault, linked) == before
    # The app's pooled connections died with the server: its first answer after that may still be an error.
    until(lambda: Health().capture(linked).text, lambda text: text.startswith("HTTP 200"))


def test_one_kind_acts_once_in_each_direction_and_others_beside_it(linked: Running) -> None:
    slow, narrow = EXAMPLES[Latency], Bandwidth(link="redis", rate="200KB")
    other_way = Latency(link="redis", delay="60ms", stream="upstream")
    assert slow.target != other_way.target
    with slow.inject(linked), narrow.inject(linked), other_way.inject(linked):
        assert len(proxy_of(slow, linked).toxics) == 3
        (added,) = slow.dose(linked)
        assert added.delivered is not None and 115 < added.delivered < 160
        with pytest.raises(EnvironmentFailed, match="latency is on already"), slow.inject(linked):
            pytest.fail("twice")
        assert len(proxy_of(slow, linked).toxics) == 3
    assert proxy_of(slow, linked).toxics == []


@pytest.mark.parametrize(
    ("kind", "attributes", "words"),
    [
        (Latency, {"delay": "0.5ms"}, "delay in milliseconds must be a whole number of at least 1"),
        (Latency, {"delay": "10ms", "jitter": "20ms"}, "jitter is at most the delay"),
        (Latency, {"delay": "10ms", "toxicity": "1%"}, "toxicity is from 5% to 100%"),
        (Latency, {"delay": 10}, "has no unit"),
        (Latency, {"delay": "10ms", "stream": "sideways"}, "downstream"),
        (Bandwidth, {"rate": "10B"}, "rate in KB must be a whole number of at least 1"),
        (SlowClose, {"delay": "0ms"}, "at least 1"),
        (Timeout, {"after": "100us"}, "after in milliseconds must be a whole number"),
        (Slicer, {"size": "10B", "variation": "10B", "delay": "1ms"}, "variation is below the size"),
        (Slicer, {"size": "10B", "delay": "0ms"}, "delay in microseconds"),
        (LimitData, {"bytes": "10B"}, "from 2KB"),
        (FailFirst, {"connections": 0}, "greater than or equal to 1"),
        (LinkDown, {"stream": "upstream"}, "nexpected"),
        (LinkDown, {"link": "app"}, "redis"),
    ],
)
def test_wrong_attributes_are_told(kind: type[Fault], attributes: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        kind(**{"link": "redis", **attributes})


@pytest.mark.parametrize("fault", EXAMPLES.values(), ids=repr)
def test_without_a_link_there_is_nothing_to_act_on(fault: Fault, arm: Running) -> None:
    with pytest.raises(EnvironmentFailed, match="no link stands before redis"):
        fault.undo(arm)
    with pytest.raises(EnvironmentFailed, match="no link stands before redis"), fault.inject(arm):
        pytest.fail("injected")


def test_the_app_goes_through_its_links_and_the_lab_past_them(linked: Running) -> None:
    ask(linked, "/products/top")
    for service, url in (("redis", linked.redis_url), ("postgres", linked.dsn)):
        point = linked.link(service)  # type: ignore[arg-type]
        assert LinkClient(point.api).connections(point.proxy), f"the app has no connection to {service}"
        assert f":{point.direct[1]}/" in url


def test_a_link_that_runs_already_keeps_nothing_of_an_arm() -> None:
    link = Link.start(7, lambda _resource: None)
    try:
        link.client.create("somebody-elses", "127.0.0.1:1")
        with linked_arm(Embedded(), link.client.url) as running:
            ask(running, "/products/top")
            assert len(link.client.proxies()) == 3
            for fault in (EXAMPLES[Latency], EXAMPLES[FailFirst], EXAMPLES[LinkDown]):
                bites_and_heals(fault, running)
        assert list(link.client.proxies()) == ["somebody-elses"]
    finally:
        link.close()


def test_a_killed_runs_proxy_is_removed_from_a_link_that_goes_on() -> None:
    link = Link.start(7, lambda _resource: None)
    owned = [{"proxy": f"lab-{n}", "url": link.client.url} for n in range(3)]
    try:
        link.client.create("lab-0", "127.0.0.1:1")
        link.client.create("other", "127.0.0.1:1")
        assert remaining(owned) == owned[:1]
        assert reap(owned, report=lambda _line: None) == [f"removed proxy lab-0 of {link.client.url}"]
        assert list(link.client.proxies()) == ["other"]
        assert remaining(owned) == []
    finally:
        link.close()
    assert remaining(owned) == [] and reap(owned, report=pytest.fail) == []


class Toxiproxy(BaseHTTPRequestHandler):
    """All that the lab asks of one before a run."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/version" else 404)
        self.end_headers()
        self.wfile.write(b'{"version":"2.12.0"}')

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def toxiproxy() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Toxiproxy) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_what_only_the_labs_own_link_can_do_is_refused_with_a_toxiproxy(toxiproxy: str) -> None:
    stack = Embedded()
    lacks = lacks_with(stack, toxiproxy)
    assert lacks("link") == "" and lacks("redis") == ""
    assert "only the lab's own link can do it" in lacks("own-link")
    assert all(need in stack.offers for need in FailFirst.needs)
    assert lacks_with(stack, "")("own-link") == ""
    link = Link.start(7, lambda _resource: None)
    try:
        assert lacks_with(stack, link.client.url)("own-link") == ""
    finally:
        link.close()
    with pytest.raises(EnvironmentFailed, match="the link does not answer"):
        lacks_with(stack, link.client.url)("link")


def test_containers_cannot_reach_a_link_on_this_machines_loopback(toxiproxy: str) -> None:
    assert "cannot reach" in lacks_with(Containers(), toxiproxy)("link")


def test_a_link_on_another_machine_is_refused() -> None:
    for refused in (
        lacks_with(Embedded(), "http://192.0.2.7:8474"),
        lambda _: on_this_machine("http://[::2]:1"),
    ):
        with pytest.raises(LabError, match="the link runs on another machine"):
            refused("link")


def test_containers_have_links_of_their_own(docker_or_skip: None) -> None:
    with linked_arm(Containers()) as running:
        ask(running, "/products/top")
        for fault in EXAMPLES.values():
            bites_and_heals(fault, running)
        link = LinkClient(running.link("redis").api)
    assert not answering(link)()
