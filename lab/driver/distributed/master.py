"""The workers of a run, under Locust's own master runner, and how a block is shared among them."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import locust
from gevent.event import Event
from locust.env import Environment
from locust.runners import STATE_MISSING

from lab import __version__
from lab.driver.distributed import place
from lab.driver.distributed.clocks import Echo, ahead_ns
from lab.driver.distributed.merge import Part, merged, rows_of
from lab.driver.distributed.relay import Relay
from lab.driver.distributed.share import Share
from lab.driver.distributed.wire import (
    FAILED,
    HELLO,
    PING,
    PLAY,
    PLAYED,
    Hello,
    Kind,
    Ping,
    Play,
    ShareFailed,
    SharePlayed,
)
from lab.driver.options import Address
from lab.driver.words import BlockDone, BlockOrder, Samples

_OVERRUN_S = 7.0  # after a block's last time-out; a worker that is well gives up two seconds earlier
_LOOK_S = 0.1
_ECHOES, _ECHO_S = 8, 2.0
_ANY = ("0.0.0.0", "::", "*")
log = logging.getLogger(__name__)


class NotComplete(Exception):
    """Workers are missing, or one could not do its share; the message says which and why."""


class OpenUser(locust.User):
    """Stands for the user of that name in every worker; the master itself makes no requests."""

    @locust.task
    def block(self) -> None: ...


@dataclass
class Member:
    """A worker that joined, ``id`` as Locust calls it. Once ``lost`` it stays so, even if it comes back."""

    id: str
    hello: Hello
    share: Share = field(default_factory=Share)
    ahead_ns: int = 0
    lost: bool = False
    rows: dict[int, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[int, SharePlayed | ShareFailed] = field(default_factory=dict)
    echoes: list[Echo] = field(default_factory=list)

    def on_pong(self, pong: Ping) -> None:
        self.echoes.append(Echo(pong.sent_ns, pong.there_ns, time.monotonic_ns()))

    def on_answer(self, answer: SharePlayed | ShareFailed) -> None:
        self.answers[answer.n] = answer


class Master:
    """Listens as soon as it is made; ``gather`` waits for the workers, ``play`` has them play a block."""

    def __init__(self, listen: Address, *, forked: int, joining: int) -> None:
        self._environment = Environment(user_classes=[OpenUser], catch_exceptions=True)
        self._runner: Any = self._environment.create_master_runner(listen.host, listen.port)
        self.address = Address(listen.host, self._runner.server.port)
        self.members: list[Member] = []
        self._missing = {True: forked, False: joining}
        self._dead: Callable[[], set[int]] = set
        self._news = Event()
        self._relays: dict[tuple[str, int], Relay] = {}
        hears: dict[Kind, Callable[[str, Any], None]] = {
            "lab-hello": self._on_hello,
            "lab-pong": lambda who, text: self._of(who).on_pong(PING.validate_json(text)),
            "lab-rows": lambda who, part: self._of(who).rows[part["n"]].append(part["rows"]),
            "lab-played": lambda who, text: self._of(who).on_answer(PLAYED.validate_json(text)),
            "lab-failed": lambda who, text: self._of(who).on_answer(FAILED.validate_json(text)),
        }
        for kind, hear in hears.items():
            self._runner.register_message(kind, lambda msg, hear=hear, **_: self._hear(hear, msg))

    @property
    def address_here(self) -> Address:
        """The same for this machine."""
        return Address("127.0.0.1", self.address.port) if self.address.host in _ANY else self.address

    def gather(self, wait_s: float, dead: Callable[[], set[int]]) -> None:
        """Return once every worker is there and Locust has started its user in each. ``dead`` tells which of the
        processes on this machine have ended. NotComplete after ``wait_s``, or where one of those dies."""
        self._dead = dead
        end = time.monotonic() + wait_s
        while any(self._missing.values()):
            self._refuse_start(wait_s, late=time.monotonic() > end)
            self._wait()
        members = sorted(self.members, key=lambda member: not member.hello.forked)
        for k, member in enumerate(members):
            member.share = Share(k, len(members))
            self._compare_clocks(member)
        self._runner.start(len(members), spawn_rate=len(members))
        # Whoever comes from now on is told to go; Locust would move a user there, away from where it plays.
        self._runner._users_dispatcher = None

    def _refuse_start(self, wait_s: float, *, late: bool) -> None:
        if gone := self._dead():
            raise NotComplete(f"worker process {min(gone)} ended while it started")
        if late:
            here, there = self._missing[True], self._missing[False]
            raise NotComplete(
                f"{here + there} of {here + there + len(self.members)} workers did not come within {wait_s:g} s:"
                f" {here} of this machine, {there} from elsewhere (`lab worker --master {self.address}`)"
            )

    def play(self, order: BlockOrder) -> tuple[BlockDone, Samples]:
        """Share a block among the workers that are left; what they did together. NotComplete where one could not
        do its share, ValueError where their shares do not fit together."""
        before = int(self._runner.stats.total.num_requests)
        for member in self._present():
            member.rows.clear()
            member.answers.clear()
            self._send(member, "lab-play", PLAY.dump_json(self._share_of(order, member)))
        self._await_answers(order)
        parts = [_part(member, order.n) for member in self._present()]
        complete = len(parts) == len(self.members)
        gained = int(self._runner.stats.total.num_requests) - before
        # What lost workers had reported before is in Locust's statistics, but not in the rows.
        counted = gained if complete else sum(part.played.checks.counted for part in parts)
        for member in self._present():
            self._compare_clocks(member)  # now, when nothing is in a hurry
        return merged(order, parts, len(self.members), counted)

    def dismiss(self) -> None:
        """Send everybody home."""
        for relay in self._relays.values():
            relay.close()
        self._runner.quit()

    def _share_of(self, order: BlockOrder, member: Member) -> Play:
        return Play(
            order=replace(order, start_ns=order.start_ns + member.ahead_ns),
            share=member.share,
            journeys=None if order.locustfile is None else order.locustfile.read_text(),
            relay=self._relay_for(order.url, member),
        )

    def _relay_for(self, url: str, member: Member) -> int:
        """The port of a relay, where the app's 127.0.0.1 is another place for this worker; else 0."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
        if member.hello.network == place.network() or not (
            host in ("localhost", "::1") or host.startswith("127.")
        ):
            return 0
        if (host, port) not in self._relays:
            self._relays[host, port] = Relay(
                "" if self.address.host in _ANY else self.address.host, (host, port)
            )
        return self._relays[host, port].port

    def _await_answers(self, order: BlockOrder) -> None:
        last_ns = order.start_ns + round((order.length_s + order.timeout_s + _OVERRUN_S) * 1e9)
        while waited_for := [member for member in self._present() if order.n not in member.answers]:
            if time.monotonic_ns() > last_ns:
                for member in waited_for:
                    self._lose(member, f"no answer to block {order.n}")
            self._wait()

    def _present(self) -> list[Member]:
        """The members that are not lost; who is gone by now gets lost here."""
        dead = self._dead()
        for member in self.members:
            node = self._runner.clients.get(member.id)
            if member.hello.forked and member.hello.pid in dead:
                self._lose(member, "its process ended")
            elif node is None or node.state == STATE_MISSING:
                self._lose(member, "its heartbeat stopped" if node else "it left")
        return [member for member in self.members if not member.lost]

    def _lose(self, member: Member, why: str) -> None:
        if not member.lost:
            member.lost = True
            # Or Locust would, a minute later, give a second user to one of those that are left.
            self._runner.target_user_count -= 1
            log.error("worker %s (process %d) is lost: %s", member.id, member.hello.pid, why)

    def _compare_clocks(self, member: Member) -> None:
        """On one machine there is one clock; any other runs at its own speed, so it is read again and again."""
        if member.hello.clock == place.clock():
            return
        member.echoes.clear()
        end = time.monotonic() + _ECHO_S
        for asked in range(1, _ECHOES + 1):
            self._send(member, "lab-ping", PING.dump_json(Ping(sent_ns=time.monotonic_ns())))
            while len(member.echoes) < asked:
                if time.monotonic() > end:
                    self._lose(member, "no answer to a question for its clock")
                    return
                self._wait()
        member.ahead_ns = ahead_ns(member.echoes)

    def _send(self, member: Member, kind: Kind, content: bytes) -> None:
        self._runner.send_message(kind, content.decode(), client_id=member.id)

    def _wait(self) -> None:
        """Until something was heard, or for a moment."""
        self._news.wait(_LOOK_S)
        self._news.clear()

    def _hear(self, hear: Callable[[str, Any], None], msg: Any) -> None:
        hear(msg.node_id, msg.data)
        self._news.set()

    def _of(self, who: str) -> Member:
        return next(member for member in self.members if member.id == who)

    def _on_hello(self, who: str, text: str) -> None:
        hello = HELLO.validate_json(text)
        if hello.version != __version__:
            why = f"it is incident-lab {__version__}, this is {hello.version}: install the same on both"
        elif not self._missing[hello.forked]:
            why = "its run has all the workers it waits for"
        else:
            self._missing[hello.forked] -= 1
            self.members.append(Member(who, hello))
            return
        self._runner.send_message("lab-refused", why, client_id=who)


def _part(member: Member, n: int) -> Part:
    answer = member.answers[n]
    if isinstance(answer, ShareFailed):
        raise NotComplete(answer.why)
    return Part(answer, rows_of(b"".join(member.rows[n]), member.ahead_ns))
